"""A service whose responses and failures a test defines."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import pytest

from airflow_dlaas.client.client import Client
from tests.waiting import WAIT_TIMEOUT

TIMEOUT = (30.0, 30.0)
"""Seconds for a connection and for a response: the service is a thread here, which may wait long for a processor."""

TIME = "2026-03-01T10:00:00.000Z"


def training(id: str = "training-a", state: str = "running", **status: Any) -> dict[str, Any]:
    """Return a training as a foreign service sends it."""
    definition = {
        "name": "n",
        "definition_location": "/v3/x",
        "framework": {"name": "tensorflow", "version": "1.2-py3"},
        "execution": {"command": "true", "resourceType": "small"},
    }
    return {
        "metadata": {"guid": id, "url": f"/v3/models/{id}", "created_at": TIME, "modified_at": TIME},
        "entity": {
            "model_definition": definition,
            "status": {"state": state, "submitted_at": TIME, "current_at": TIME, **status},
        },
    }


def instance(**extensions: Any) -> dict[str, Any]:
    return {
        "metadata": {"guid": "default", "url": "/x", "created_at": TIME, "modified_at": TIME},
        "entity": {"extensions": extensions},
    }


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    held: threading.Event | None = None
    """Delays the response until it is set; the request is recorded before."""
    hang_up: bool = False


def refuse(status: int, code: str, **headers: str) -> Answer:
    content = {"trace": "0" * 32, "errors": [{"code": code, "message": "no"}]}
    return Answer(status, json.dumps(content).encode(), headers)


def reply(content: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(content).encode())


class Service:
    """Sends the responses that `script` has for a path, one after the other, and the last of them repeatedly."""

    def __init__(self) -> None:
        self.script: dict[str, list[Answer]] = {}
        self.requests: list[Request] = []
        self.tokens = 0
        self.lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = service.answer(Request(self.command, self.path, headers, body))
                time.sleep(answer.delay)
                if answer.held is not None:
                    answer.held.wait(WAIT_TIMEOUT)
                if answer.hang_up:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.content)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.content)
                if int(answer.headers.get("Content-Length", 0)) > len(answer.content):
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the names of http.server

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: Request) -> Answer:
        path = request.path.partition("?")[0]
        with self.lock:
            self.requests.append(request)
            if path in self.script:
                answers = self.script[path]
                return answers.pop(0) if len(answers) > 1 else answers[0]
            if path == "/v3/identity/token":
                self.tokens += 1
                return reply({"token": f"token-{self.tokens}"})
        return refuse(404, "not_found")

    def requests_to(self, path: str) -> list[Request]:
        with self.lock:
            return [one for one in self.requests if one.path.partition("?")[0] == path]


T = TypeVar("T", bound=Service)


@contextmanager
def serving(service: T) -> Iterator[T]:
    """Serve the requests to *service* during the block."""
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(Service()) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, "dlaas", "pass-word", timeout=TIMEOUT) as client:
        yield client
