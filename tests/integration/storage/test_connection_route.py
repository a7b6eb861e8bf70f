"""Connections to a store with TLS, and through proxies that the environment names."""

from __future__ import annotations

import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.certificates import for_loopback
from tests.integration.storage.scripted_server import CONTENT, MD5, Handler, ScriptedServer


class TlsServer(ScriptedServer):
    """A store with TLS only."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:")


class ProxyHandler(Handler):
    """Handles requests as a proxy receives them, and records their URLs and credentials."""

    def do_GET(self) -> None:  # noqa: N802
        self.server.logins.append((self.path, self.headers["Proxy-Authorization"]))
        self.path = self.path.removeprefix(self.server.url)
        super().do_GET()

    do_PUT = do_HEAD = do_GET  # noqa: N815  (http.server's names)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return tmp_path / "store.pem"


@pytest.fixture
def secure(certificate: Path) -> Iterator[ScriptedServer]:
    yield from serving(TlsServer(for_loopback(certificate)))


@pytest.fixture
def plain() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.RequestHandlerClass = ProxyHandler
    yield from serving(server)


def serving(server: ScriptedServer) -> Iterator[ScriptedServer]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def round_trip(server: ScriptedServer, verify: bool | str, path: Path) -> bytes:
    known = {"auth_url": f"{server.url}/auth/v1.0", "userId": "a:u", "password": "p4ssw0rd"}
    (path / "here").write_bytes(CONTENT)
    with SwiftStore.open(SwiftStoreConnection.model_validate(known), verify=verify, retry_policy=NO_RETRY) as store:
        assert store.put("c", "a", path / "here") == MD5
        store.get("c", "a", path / "there")
    return (path / "there").read_bytes()


def test_content_is_transferred_with_tls_and_a_given_authority(
    secure: ScriptedServer, certificate: Path, tmp_path: Path
) -> None:
    assert round_trip(secure, str(certificate), tmp_path) == CONTENT
    assert secure.requests[0][2] == CONTENT


def test_verification_of_certificates_can_be_switched_off(secure: ScriptedServer, tmp_path: Path) -> None:
    assert round_trip(secure, False, tmp_path) == CONTENT


def test_untrusted_certificate_is_refused(secure: ScriptedServer, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not trusted"):
        round_trip(secure, True, tmp_path)
    assert not secure.requests


def test_proxy_of_the_environment_receives_whole_urls_and_credentials(
    plain: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, plain.url.replace("http://", "http://me:secret@"))
    assert round_trip(plain, True, tmp_path) == CONTENT
    expected = f"Basic {b64encode(b'me:secret').decode()}"
    proxied = [one for one in plain.logins if isinstance(one, tuple)]
    assert (f"{plain.url}/v1/AUTH_a/c/a", expected) in proxied
    assert all(path.startswith("http://") and credentials == expected for path, credentials in proxied)
