"""Connections to a store: direct or by a proxy, plain or with TLS, by the environment and the caller's options."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import requests
from requests.auth import _basic_auth_str
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_auth_from_url, select_proxy

from airflow_dlaas._util.tls import tls_context
from airflow_dlaas.storage.http.http_options import HttpOptions


@dataclass(frozen=True)
class ConnectionRoute:
    """How to connect to a store, and what requests to it begin with."""

    store_url: SplitResult
    proxy_url: SplitResult | None
    ssl_context: ssl.SSLContext | None
    path_prefix: str
    """The beginning of a request's target: a path, or for a proxy without TLS a whole URL."""
    proxy_headers: Mapping[str, str] = field(repr=False)
    """Headers of every request, for a proxy without TLS."""
    tunnel_headers: Mapping[str, str] = field(repr=False)
    """Headers of the request to a proxy to open a tunnel, for TLS."""

    def connect(self, http_options: HttpOptions) -> http.client.HTTPConnection:
        """Return an open connection. Its timeouts are for each wait, not for a whole request."""
        peer_url = self.proxy_url or self.store_url
        port = peer_url.port or (443 if peer_url.scheme == "https" else 80)
        connection: http.client.HTTPConnection
        if self.ssl_context is not None:
            connection = http.client.HTTPSConnection(
                peer_url.hostname or "", port, timeout=http_options.connect_timeout, context=self.ssl_context
            )
            if self.proxy_url is not None:
                connection.set_tunnel(
                    self.store_url.hostname or "", self.store_url.port or 443, dict(self.tunnel_headers)
                )
        else:
            connection = http.client.HTTPConnection(peer_url.hostname or "", port, timeout=http_options.connect_timeout)
        connection.connect()
        connection.sock.settimeout(http_options.read_timeout)
        return connection


def route_to(base_url: str, verify: bool | str) -> ConnectionRoute:
    """Return the route to the store at *base_url*, as requests would: by the environment's proxies and certificates."""
    store_url = urlsplit(base_url)
    with requests.Session() as session:
        settings = session.merge_environment_settings(base_url, {}, None, verify, None)
    address = select_proxy(base_url, settings["proxies"])
    proxy_url = urlsplit(address if "://" in address else f"http://{address}") if address else None
    user, password = get_auth_from_url(proxy_url.geturl()) if proxy_url else ("", "")
    proxy_auth = {"Proxy-Authorization": _basic_auth_str(user, password)} if user else {}
    if store_url.scheme != "https":
        path_prefix = f"http://{store_url.netloc}{store_url.path}" if proxy_url else store_url.path
        return ConnectionRoute(store_url, proxy_url, None, path_prefix.rstrip("/"), proxy_auth, {})
    trusted = True if settings["verify"] is None else settings["verify"]
    ssl_context = tls_context(trusted, default_ca=DEFAULT_CA_BUNDLE_PATH)
    return ConnectionRoute(store_url, proxy_url, ssl_context, store_url.path.rstrip("/"), {}, proxy_auth)
