"""A small server of the JSON API, and of tokens, whose responses a test defines."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_dlaas.contract.store_connections import GcsStoreConnection

TOKEN_PATH = "/token"

Response = tuple[int, dict[str, str], bytes]


def json_response(content: Any, status: int = 200, **headers: str) -> Response:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(content).encode()


@dataclass(frozen=True)
class Received:
    """A request."""

    method: str
    target: str
    authorization: str | None
    body: bytes


class ScriptedGcs(ThreadingHTTPServer):
    """Grants tokens, each valid for `token_seconds`, and answers other requests with the responses in `script`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Response] = []
        self.requests: list[Received] = []
        self.token_response: Response | None = None
        self.token_seconds = 3600
        self.tokens = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def connection(self, **fields: Any) -> GcsStoreConnection:
        fields = fields or {"anonymous": True}
        return GcsStoreConnection(endpoint_url=self.url, project_id="a-project", **fields)

    def service_account(self, **changed: str) -> str:
        """Return the JSON text of a key whose tokens this server grants."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "a-project",
                "private_key_id": "1",
                "private_key": key.decode(),
                "client_email": "training@a-project.example.org",
                "token_uri": self.url + TOKEN_PATH,
            }
            | changed
        )

    def grant_token(self) -> Response:
        with self.lock:
            if self.token_response is not None:
                return self.token_response
            self.tokens += 1
            return json_response({"access_token": f"token-{self.tokens}", "expires_in": self.token_seconds})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedGcs

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == TOKEN_PATH:
            return self.respond(self.server.grant_token())
        with self.server.lock:
            self.server.requests.append(Received(self.command, self.path, self.headers["Authorization"], body))
            response = self.server.script.pop(0) if self.server.script else json_response({})
        return self.respond(response)

    do_POST = do_DELETE = do_GET  # noqa: N815  (http.server's names)

    def respond(self, response: Response) -> None:
        status, headers, body = response
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if int(headers.get("Content-Length", len(body))) != len(body):
            self.close_connection = True


@contextmanager
def running_script() -> Iterator[ScriptedGcs]:
    """Start a server; stop it after the block."""
    with ScriptedGcs() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
