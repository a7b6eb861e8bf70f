"""A small server of S3 whose responses a test defines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Response = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Asked:
    """A request that the server received."""

    method: str
    path: str
    """With its query."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)


class ScriptedS3(ThreadingHTTPServer):
    """Sends the responses of `script`, one for each request, and then `default_response`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Response] = []
        self.default_response: Response = (200, {}, b"")
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None: ...


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedS3

    def log_message(self, format: str, *args: Any) -> None: ...

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append(Asked(self.command, self.path, headers, body))
        status, sent, content = self.server.script.pop(0) if self.server.script else self.server.default_response
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | sent).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.close_connection = sent.get("Connection") == "close"

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = respond  # noqa: N815  (http.server's names)


@contextmanager
def serving() -> Iterator[ScriptedS3]:
    """Run a server."""
    server = ScriptedS3()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def error(status: int, code: str, details: str = "", **headers: str) -> Response:
    """Return the response with an error."""
    return status, headers, f"<Error><Code>{code}</Code>{details}</Error>".encode()
