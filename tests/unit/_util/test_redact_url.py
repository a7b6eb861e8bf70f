from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from airflow_dlaas._util.redact_url import redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host:1/a/b;session=secret?token=secret#secret", "https://host:1/a/b"),
        ("//user@host/a", "//host/a"),
        ("/a/b?token=secret", "/a/b"),
        ("http://[::1]:1/x", "http://[::1]:1/x"),
        ("", ""),
    ],
)
def test_redact_url_keeps_scheme_host_and_path(url: str, shown: str) -> None:
    assert redact_url(urlsplit(url)) == shown


def test_redact_url_replaces_the_path() -> None:
    assert redact_url(urlsplit("http://u@host/secret"), "/a;secret") == "http://host/a"
