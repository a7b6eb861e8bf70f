"""Connections to a store: straight or through a proxy, plain or with TLS, as the environment and the caller say."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import requests
from requests.auth import _basic_auth_str
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_auth_from_url, select_proxy

from airflow_dlaas.storage.swift.auth import Transport


@dataclass(frozen=True)
class Route:
    """The way to a store."""

    store: SplitResult
    proxy: SplitResult | None
    context: ssl.SSLContext | None
    prefix: str
    """What a request's path begins with; a proxy is told the whole address."""
    headers: Mapping[str, str] = field(repr=False)
    """What every request has to say on the way."""
    greeting: Mapping[str, str] = field(repr=False)
    """What a proxy wants to hear before it opens a tunnel."""

    def connect(self, transport: Transport) -> http.client.HTTPConnection:
        """Connect; the limits hold for each wait, never for the whole."""
        there = self.proxy or self.store
        port = there.port or (443 if there.scheme == "https" else 80)
        line: http.client.HTTPConnection
        if self.context is not None:
            line = http.client.HTTPSConnection(
                there.hostname or "", port, timeout=transport.connect_timeout, context=self.context
            )
            if self.proxy is not None:
                line.set_tunnel(self.store.hostname or "", self.store.port or 443, dict(self.greeting))
        else:
            line = http.client.HTTPConnection(there.hostname or "", port, timeout=transport.connect_timeout)
        line.connect()
        line.sock.settimeout(transport.read_timeout)
        return line


def route_to(root: str, verify: bool | str) -> Route:
    """Find the way to the store at *root*, as requests would: by the environment's proxies and certificates."""
    store = urlsplit(root)
    with requests.Session() as session:
        settings = session.merge_environment_settings(root, {}, None, verify, None)
    address = select_proxy(root, settings["proxies"])
    proxy = urlsplit(address if "://" in address else f"http://{address}") if address else None
    user, password = get_auth_from_url(proxy.geturl()) if proxy else ("", "")
    passport = {"Proxy-Authorization": _basic_auth_str(user, password)} if user else {}
    if store.scheme != "https":
        prefix = f"http://{store.netloc}{store.path}" if proxy else store.path
        return Route(store, proxy, None, prefix.rstrip("/"), passport, {})
    return Route(store, proxy, _context(settings["verify"]), store.path.rstrip("/"), {}, passport)


def _context(verify: bool | str | None) -> ssl.SSLContext:
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH)
