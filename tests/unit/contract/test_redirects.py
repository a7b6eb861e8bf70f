from __future__ import annotations

import pytest

from airflow_dlaas.contract.redirects import MAX_URL_LENGTH, describe_redirect


def message(base: str, asked: str, location: str | None) -> str:
    return describe_redirect(base, asked, 302, location, "the URL")


@pytest.mark.parametrize(
    ("base", "asked", "location", "target"),
    [
        ("http://a/auth/v1.0", "http://a/auth/v1.0", "https://a/auth/v1.0", "https://a/auth/v1.0"),
        ("http://a/auth/v1.0", "http://a/auth/v1.0", "http://b:8080/auth", "http://b:8080/auth"),
        ("http://a/auth", "http://a/auth", "/auth/", "http://a/auth/"),
        ("http://a/auth", "http://a/auth", "//b/x", "http://b/x"),
        ("http://a/v3", "http://a/v3/auth/tokens", "https://b/id/v3/auth/tokens", "https://b/id/v3"),
        ("http://a/v3/", "http://a/v3/auth/tokens", "https://b/v3/auth/tokens", "https://b/v3"),
        ("http://a", "http://a/v3/identity/token", "https://a/v3/identity/token?x=1", "https://a"),
        ("http://a", "http://a/v3/models?limit=1", "https://a:1/v3/models?limit=1", "https://a:1"),
        ("http://a", "http://a/v3/models", "https://b/login", "https://b"),  # another path: only the host is known
        ("http://a/auth/v1.0", "http://s:9/v1/AUTH_x/c/o", "http://t/v1/AUTH_x/c/o", "http://t"),
        (
            "http://a/auth",
            "http://a/auth",
            "http://user:secret@b/x;jsessionid=secret?ticket=secret#secret",
            "http://b/x",
        ),
        ("http://a", "http://a/v3/x", "wss://b/v3/x", "wss://b"),
        ("http://[::1]:1/x", "http://[::1]:1/x", "http://[::1]:2/x", "http://[::1]:2/x"),
    ],
)
def test_message_names_both_hosts_and_the_value_to_set(base: str, asked: str, location: str, target: str) -> None:
    text = message(base, asked, location)
    assert f" redirects to {target} (302)" in text
    assert text.endswith(f"if {target} is correct, set the URL to it")
    assert text.startswith(asked.partition("/v")[0].partition("/auth")[0].removesuffix("/x"))
    assert "secret" not in text


@pytest.mark.parametrize(
    "location",
    [
        *(None, "", "http://[", "http://b:port/", "ftp://b/", "javascript:x", "http://b/a b", "http://b/\x1b[2J"),
        *("http://bücher.example/", f"http://b/{'x' * MAX_URL_LENGTH}"),
    ],
)
def test_unusable_location_is_not_shown(location: str | None) -> None:
    text = message("http://a/auth", "http://a/auth", location)
    assert text.startswith("http://a redirects to no usable address (302)")
    assert text.endswith("Check the URL")


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("http://a/v3/models?limit=1", "/login"),
        ("http://a/v3/models", "http://a/v3/models?sso=1"),
        ("http://a/v3/models", "http://user@a/login"),
    ],
)
def test_other_path_on_the_same_host_is_no_value_to_set(asked: str, location: str) -> None:
    text = message("http://a", asked, location)
    assert text.startswith("http://a redirects to another path on the same host (302)")
