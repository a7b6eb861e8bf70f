"""Temporary credentials of S3 and Cloud Storage: each request has those that are valid when it is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.store_connections import GcsStoreConnection, S3StoreConnection, StoreConnection
from airflow_dlaas.storage.open_object_store import OpenOptions, open_object_store

S3_LISTING = b"<ListAllMyBucketsResult><Buckets></Buckets></ListAllMyBucketsResult>"


class RecordingServer(ThreadingHTTPServer):
    """Answers each request with an empty list of buckets, of S3 or of Cloud Storage, and records its credentials."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.credentials: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: RecordingServer

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self.server.credentials.append((self.headers["Authorization"], self.headers["x-amz-security-token"]))
        body = b"{}" if self.path.startswith("/storage/") else S3_LISTING
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def s3(url: str, number: int) -> S3StoreConnection:
    return S3StoreConnection(
        endpoint_url=url,
        access_key_id=f"ASIA{number}",
        secret_access_key=SecretStr("secret"),
        session_token=SecretStr(f"token-{number}"),
    )


def gcs(url: str, number: int) -> GcsStoreConnection:
    return GcsStoreConnection(endpoint_url=url, access_token=SecretStr(f"token-{number}"), project_id="p")


@pytest.mark.parametrize("make", [s3, gcs])
def test_each_request_has_the_credentials_that_are_valid_then(server: RecordingServer, make: Any) -> None:
    connections: list[StoreConnection] = [make(server.url, number) for number in (1, 2)]
    valid = [connections[0]]
    with open_object_store(connections[0], OpenOptions(renew=lambda: valid[0])) as store:
        store.list_containers()
        store.list_containers()
        valid[0] = connections[1]
        store.list_containers()
    tokens = [token or authorization for authorization, token in server.credentials]
    assert [one.removeprefix("Bearer ") for one in tokens] == ["token-1", "token-1", "token-2"]
    if make is s3:
        assert ["Credential=ASIA2/" in authorization for authorization, _ in server.credentials] == [False, False, True]
