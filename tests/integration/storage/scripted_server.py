"""A small server of Swift v1 and Keystone v3 whose responses a test defines."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import WAIT_TIMEOUT

CONTENT = b"content" * 1000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()

Response = tuple[int, dict[str, str], bytes]


class ScriptedServer(ThreadingHTTPServer):
    """
    Answers logins of Swift v1 and Keystone v3, and any other request with the next of `script` or `default_response`.

    A script can contain "silence" (no response) and "break" (the connection is closed).
    """

    daemon_threads = True
    default_response: Response = (200, {"ETag": MD5}, CONTENT)

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Response | str] = []
        self.logins: list[Any] = []
        self.requests: list[tuple[str, str, bytes]] = []
        self.login_status = 200
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None: ...


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/auth/v1.0":
            self.server.logins.append(self.headers["X-Auth-User"])
            token = f"token-{len(self.server.logins)}"
            headers = {"X-Storage-Url": f"{self.server.url}/v1/AUTH_a", "X-Auth-Token": token}
            return self.respond((self.server.login_status, headers, b""))
        if self.path == "/v3/auth/tokens":
            self.server.logins.append(json.loads(body))
            endpoint = {
                "interface": "public",
                "region": "dallas",
                "region_id": "dallas",
                "url": f"{self.server.url}/v1/a",
            }
            catalog = [{"type": "object-store", "name": "swift", "id": "1", "endpoints": [{"id": "2", **endpoint}]}]
            expires = "2999-01-01T00:00:00.000000Z"
            issued = {"methods": ["password"], "expires_at": expires, "catalog": catalog, "user": {"id": "u"}}
            status = 201 if self.server.login_status == 200 else self.server.login_status
            answer = json.dumps({"token": issued}).encode()
            return self.respond((status, {"X-Subject-Token": f"token-{len(self.server.logins)}"}, answer))
        self.server.requests.append((self.command, self.headers["X-Auth-Token"], body))
        step = self.server.script.pop(0) if self.server.script else self.server.default_response
        if step == "silence":
            self.server.stopped.wait(WAIT_TIMEOUT)
            step = "break"
        if isinstance(step, str):
            self.close_connection = True
            return None
        return self.respond(step)

    do_PUT = do_HEAD = do_DELETE = do_POST = do_COPY = do_GET  # noqa: N815  (http.server's names)

    def respond(self, response: Response) -> None:
        status, headers, body = response
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if int(headers.get("Content-Length", len(body))) != len(body):
            self.close_connection = True
