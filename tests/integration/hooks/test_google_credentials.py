"""Credentials for Cloud Storage from a key, from the identity of a workload, from the machine, and from none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_dlaas.contract.store_connections import GcsStoreConnection
from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection, read_store_connection

KEY = {"type": "service_account", "client_email": "trainer@project", "private_key": "hidden-key"}

ENDS_SOON = 60
"""Seconds that a token is valid: a token is renewed minutes before its end, so at once."""


class TokenServer(ThreadingHTTPServer):
    """Issues tokens: as the metadata of a virtual machine of Google, and for the identity of a workload."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.expires_in = 3600
        self.tokens = 0


class Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer: Any = "a-project"
        if "/token" in self.path:
            self.server.tokens += 1
            answer = {
                "access_token": f"token-{self.server.tokens}",
                "expires_in": self.server.expires_in,
                "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            }
        elif "service-accounts/" in self.path:
            answer = {"email": "machine@project", "scopes": [], "aliases": ["default"]}
        elif "universe" in self.path:
            answer = "googleapis.com"
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/text" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  (http.server's name)


@pytest.fixture(autouse=True)
def _no_login_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials are on this machine, unless a test puts them there."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def workload(tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a file with the identity of a workload, which is in the environment."""
    (tmp_path / "identity").write_text("identity of the workload")
    path = tmp_path / "workload.json"
    identity = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"http://127.0.0.1:{tokens.server_address[1]}/token",
        "credential_source": {"file": str(tmp_path / "identity")},
    }
    path.write_text(json.dumps(identity))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    return str(path)


def google(**extra: Any) -> ObjectStoreConnection:
    return read_store_connection(Connection(conn_id="lake", conn_type="google_cloud_platform", extra=json.dumps(extra)))


def token_of(connection: object) -> str:
    assert isinstance(connection, GcsStoreConnection)
    assert connection.access_token is not None
    return connection.access_token.get_secret_value()


def test_key_in_a_file_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(json.dumps(KEY))
    found = google(key_path=str(tmp_path / "key.json"), project="research").find_credentials()
    assert isinstance(found.connection, GcsStoreConnection)
    assert found.connection.credentials is not None
    assert json.loads(found.connection.credentials.get_secret_value()) == KEY
    assert found.describe_end(datetime.now(timezone.utc)) is None
    assert "hidden-key" not in repr(found)


def test_missing_and_damaged_key_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=r"^Connection 'lake': key_path in its extra: No such file"):
        google(key_path=str(tmp_path / "none.json")).find_credentials()
    (tmp_path / "key.json").write_text("hidden-key")
    with pytest.raises(NotConfigured, match=r"^Connection 'lake': key_path .* not the key") as refused:
        google(key_path=str(tmp_path / "key.json")).find_credentials()
    assert "hidden-key" not in str(refused.value)


def test_missing_credentials_are_named() -> None:
    with pytest.raises(NotConfigured, match=r"^Connection 'lake': its extra has no key"):
        google().find_credentials()


def test_field_of_the_provider_is_refused_without_it() -> None:
    with pytest.raises(NotConfigured, match=r"^Connection 'lake': impersonation_chain in its extra needs the package"):
        google(impersonation_chain="a@b").find_credentials()


def test_identity_of_a_workload_gives_tokens(workload: str) -> None:
    found = google().find_credentials()
    first = token_of(found.connection)
    assert first == "token-1"
    assert found.expires is not None
    assert (found.describe_end(datetime.now(timezone.utc)) or "").startswith("for 59 min, until ")
    assert found.renew is not None
    assert token_of(found.renew()) == first, "the token is valid for longer"
    with pytest.raises(NotConfigured, match=r"^Connection 'lake': key_path .* not the key of a service account"):
        google(key_path=workload).find_credentials()


@pytest.mark.usefixtures("workload")
def test_token_that_ends_soon_is_renewed(tokens: TokenServer) -> None:
    tokens.expires_in = ENDS_SOON
    found = google().find_credentials()
    assert found.renew is not None
    assert token_of(found.renew()) != token_of(found.connection)


def test_machine_gives_tokens_of_its_account(tokens: TokenServer) -> None:
    """In a process of its own: google-auth reads the address of the metadata when it is imported."""
    address = f"127.0.0.1:{tokens.server_address[1]}"
    names = ("GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GCE_METADATA_IP")
    environment = {**os.environ, "NO_GCE_CHECK": "", **dict.fromkeys(names, address)}
    code = (
        "from airflow_dlaas.hooks.store_connections.google import GoogleFields; found = "
        "GoogleFields('lake').find_credentials(); print(found.connection.access_token.get_secret_value())"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "token-1"


def test_emulator_of_the_environment_is_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:9023")
    assert google(is_anonymous=True).find_credentials().connection.url == "http://127.0.0.1:9023"
