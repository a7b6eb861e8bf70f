from __future__ import annotations

import pytest

from airflow_dlaas.contract.redirects import MAX_URL_LENGTH, describe_redirect


def described(base: str, asked: str, location: str | None) -> str:
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
        ("http://a", "http://a/v3/models", "https://b/login", "https://b"),  # not the same path: no value to offer
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
def test_the_error_names_both_hosts_and_the_way_out(base: str, asked: str, location: str, target: str) -> None:
    said = described(base, asked, location)
    assert f" redirects to {target} (302)" in said
    assert said.endswith(f"if {target} is correct, set the URL to it")
    assert said.startswith(asked.partition("/v")[0].partition("/auth")[0].removesuffix("/x"))
    assert "secret" not in said


@pytest.mark.parametrize(
    "location",
    [
        *(None, "", "http://[", "http://b:port/", "ftp://b/", "javascript:x", "http://b/a b", "http://b/\x1b[2J"),
        *("http://bücher.example/", f"http://b/{'x' * MAX_URL_LENGTH}"),
    ],
)
def test_what_is_no_usable_address_is_not_shown(location: str | None) -> None:
    said = described("http://a/auth", "http://a/auth", location)
    assert said.startswith("http://a redirects to no usable address (302)")
    assert said.endswith("Check the URL")


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("http://a/v3/models?limit=1", "/login"),
        ("http://a/v3/models", "http://a/v3/models?sso=1"),
        ("http://a/v3/models", "http://user@a/login"),
    ],
)
def test_another_path_of_a_host_whose_url_is_its_root_is_no_value_to_set(asked: str, location: str) -> None:
    said = described("http://a", asked, location)
    assert said.startswith("http://a redirects to another path on the same host (302)")
