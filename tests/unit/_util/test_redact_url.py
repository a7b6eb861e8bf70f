from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from airflow_dlaas._util.redact_url import redact_url, redact_urls


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Cannot open https://host/a?X-Amz-Signature=secret (403)", "Cannot open https://host/a (403)"),
        ("url='https://u:secret@host/a?b=secret', retry", "url='https://host/a', retry"),
        ("two: s3://b/k?secret and (http://h/?secret)", "two: s3://b/k and (http://h/)"),
        ("no URL at all: 12:30", "no URL at all: 12:30"),
        ("http://[broken?secret", "***"),
    ],
)
def test_redact_urls_redacts_each_url_of_a_text(text: str, shown: str) -> None:
    assert redact_urls(text) == shown
