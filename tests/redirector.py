"""Servers that redirect requests, and servers that record them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STATUSES = (301, 302, 303, 307, 308)


class Server(ThreadingHTTPServer):
    """
    Records every request, and sends each the same response.

    With a *target*, the response redirects to it, with the path of the request. Without one, its status is 200.
    """

    daemon_threads = True

    def __init__(
        self,
        host: str = "127.0.0.1",
        *,
        target: str = "",
        status: int = 302,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__((host, 0), _Handler)
        self.url = f"http://{host}:{self.server_port}"
        self.target, self.status, self.headers, self.body = target, status, headers or {}, body
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        """Method, path, headers (names in lower case) and body of each request."""

    def handle_error(self, request: Any, client_address: Any) -> None: ...


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None: ...

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, body))
        if self.server.target:
            self.send_response(self.server.status)
            self.send_header("Location", self.server.target + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        for name, value in {"Content-Length": str(len(self.server.body)), **self.server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.server.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_COPY = answer  # noqa: N815  (http.server's names)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve until the block ends."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
