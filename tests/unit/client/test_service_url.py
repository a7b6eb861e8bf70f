from __future__ import annotations

import pytest

from airflow_dlaas.client.service_url import ServiceUrl
from airflow_dlaas.exceptions import NotConfigured, ProtocolError


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
def test_path_from_url(base, url, path):
    assert ServiceUrl.parse(base).path_from_url(url) == path


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
def test_path_from_url_refuses_other_urls(url):
    with pytest.raises(ProtocolError):
        ServiceUrl.parse("http://host:8480").path_from_url(url)


def test_path_from_url_hides_the_credentials_of_a_foreign_url():
    with pytest.raises(ProtocolError) as caught:
        ServiceUrl.parse("http://host").path_from_url("http://user:hush@evil/x?token=hush")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "host:8480", "ftp://host", "http://", "http://u:hush@host", "http://h/?q=hush"])
def test_invalid_service_url_is_refused_without_repeating_it(url):
    with pytest.raises(NotConfigured) as caught:
        ServiceUrl.parse(url)
    assert "hush" not in str(caught.value)


def test_websocket_url_has_the_security_of_the_service_url():
    assert ServiceUrl.parse("http://host:1/dl").websocket_url("/v3/x") == "ws://host:1/dl/v3/x"
    assert ServiceUrl.parse("https://host").websocket_url("/v3/x") == "wss://host/v3/x"
