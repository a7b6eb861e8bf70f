from __future__ import annotations

import pytest

from airflow_dlaas.client.service_url import Address
from airflow_dlaas.exceptions import Misunderstood, NotConfigured


@pytest.mark.parametrize(
    ("base", "url", "path"),
    [
        ("http://host:8480", "http://host:8480/v3/x/1", "/v3/x/1"),
        ("http://host:8480/", "/v3/models/t?start=2", "/v3/models/t?start=2"),
        ("http://HOST:8480", "http://host:8480/v3/x", "/v3/x"),
        ("https://host", "https://host:443/v3/x", "/v3/x"),
        ("https://host/dl", "https://host/dl/v3/x", "/v3/x"),
        ("https://host", "http://host/v3/x", "/v3/x"),
    ],
)
def test_a_url_of_the_service_is_a_path_there(base, url, path):
    assert Address.read(base).path_of(url) == path


@pytest.mark.parametrize(
    "url",
    [
        "http://evil:8480/v3/x",
        "http://host:9999/v3/x",
        "//evil/v3/x",
        "http://host:8480@evil/v3/x",
        "ftp://host:8480/v3/x",
        "http://host:8480",
        "v3/x",
        "http://host:8480//evil/x",
        "http://[",
        "",
    ],
)
def test_nothing_else_is(url):
    with pytest.raises(Misunderstood):
        Address.read("http://host:8480").path_of(url)


def test_a_secret_in_a_foreign_url_is_not_repeated():
    with pytest.raises(Misunderstood) as caught:
        Address.read("http://host").path_of("http://user:hush@evil/x?token=hush")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "host:8480", "ftp://host", "http://", "http://u:hush@host", "http://h/?q=hush"])
def test_what_is_no_address_of_a_service_is_said_before_anything_is_sent(url):
    with pytest.raises(NotConfigured) as caught:
        Address.read(url)
    assert "hush" not in str(caught.value)


def test_sockets_are_as_safe_as_the_service():
    assert Address.read("http://host:1/dl").socket("/v3/x") == "ws://host:1/dl/v3/x"
    assert Address.read("https://host").socket("/v3/x") == "wss://host/v3/x"
