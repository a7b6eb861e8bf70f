"""Tests of requests to an Airflow whose database is locked at times, with a server that gives the same responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from airflow_dlaas.demo.airflow_api import AirflowApi
from airflow_dlaas.exceptions import HostError

LOCKED = (500, {"detail": {"reason": "Database error", "statement": "INSERT INTO dag_run …"}})
CONFLICT = (409, {"detail": "The DagRun already exists"})


class ScriptedServer(ThreadingHTTPServer):
    """A server that sends *responses* one after the other, repeats the last one, and records requests."""

    def __init__(self, *responses: tuple[int, object]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.responses = list(responses)
        self.requests: list[tuple[str, dict[str, object]]] = []


class Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.requests.append((self.command, json.loads(self.rfile.read(length) or b"{}")))
        status, body = self.server.responses.pop(0) if len(self.server.responses) > 1 else self.server.responses[0]
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PATCH = do_DELETE = do_POST  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def airflow(*responses: tuple[int, object], retry_timeout: float = 60.0) -> Iterator[tuple[AirflowApi, ScriptedServer]]:
    with ScriptedServer(*responses) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        api = AirflowApi(
            f"http://127.0.0.1:{server.server_port}",
            "admin",
            "made-up",
            retry_timeout=retry_timeout,
            retry_interval=0.01,
        )
        try:
            yield api, server
        finally:
            api.close()
            server.shutdown()


@pytest.mark.parametrize("run_id", [None, "given"])
@pytest.mark.parametrize("last", [(200, {"dag_run_id": "ignored"}), CONFLICT])
def test_trigger_is_retried_with_the_same_run_id(run_id: str | None, last: tuple[int, object]) -> None:
    """
    The first request may have created the run: the retry has the same id, and a 409 response means that it exists.
    """
    with airflow(LOCKED, LOCKED, last) as (api, server):
        triggered = api.trigger("nightly", {"x": 1}, run_id)
    assert len(server.requests) == 3
    assert {body["dag_run_id"] for _, body in server.requests} == {triggered}
    assert run_id in {None, triggered}


def test_trigger_makes_a_new_run_id_each_time() -> None:
    with airflow((200, {})) as (api, _):
        assert api.trigger("nightly") != api.trigger("nightly")


def test_trigger_refuses_an_existing_run_id() -> None:
    with airflow(CONFLICT) as (api, server), pytest.raises(HostError, match="409"):
        api.trigger("nightly", run_id="given")
    assert len(server.requests) == 1


def test_get_and_patch_are_retried() -> None:
    with airflow(LOCKED, (200, {"state": "running"})) as (api, server):
        assert api.run_state("nightly", "r") == "running"
        server.responses[:] = [LOCKED, (200, {})]
        api.unpause("nightly")
    assert [method for method, _ in server.requests] == ["GET", "GET", "PATCH", "PATCH"]


def test_clear_is_not_retried() -> None:
    with airflow(LOCKED, (200, {})) as (api, server), pytest.raises(HostError, match="Database error"):
        api.clear_tasks("nightly", "r", ["train"])
    assert len(server.requests) == 1


def test_locked_database_is_an_error_after_the_retry_timeout() -> None:
    with airflow(LOCKED, retry_timeout=0.1) as (api, _), pytest.raises(HostError, match=r"500.*Database error"):
        api.trigger("nightly")
