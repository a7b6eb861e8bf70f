"""Requests to an Airflow whose database is locked now and then: a server that answers as that one does."""

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


class Answers(ThreadingHTTPServer):
    """A server that gives the *answers* one after the other, the last one again and again, and records requests."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, object]]] = []


class Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.requests.append((self.command, json.loads(self.rfile.read(length) or b"{}")))
        status, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        said = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_PATCH = do_DELETE = do_POST  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def airflow(*answers: tuple[int, object], repeat_for: float = 60.0) -> Iterator[tuple[AirflowApi, Answers]]:
    with Answers(*answers) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        asked = AirflowApi(
            f"http://127.0.0.1:{server.server_port}", "admin", "made-up", retry_timeout=repeat_for, retry_interval=0.01
        )
        try:
            yield asked, server
        finally:
            asked.close()
            server.shutdown()


@pytest.mark.parametrize("run_id", [None, "mine"])
@pytest.mark.parametrize("last", [(200, {"dag_run_id": "ignored"}), CONFLICT])
def test_a_run_is_triggered_once_although_the_database_was_locked(run_id: str | None, last: tuple[int, object]) -> None:
    """The first request may have made the run, or not: the repetition has the same id, and 409 means that it exists."""
    with airflow(LOCKED, LOCKED, last) as (asked, server):
        got = asked.trigger("nightly", {"x": 1}, run_id)
    assert len(server.requests) == 3
    assert {body["dag_run_id"] for _, body in server.requests} == {got}
    assert run_id in {None, got}


def test_two_runs_have_two_ids() -> None:
    with airflow((200, {})) as (asked, _):
        assert asked.trigger("nightly") != asked.trigger("nightly")


def test_a_run_that_was_there_before_is_refused() -> None:
    with airflow(CONFLICT) as (asked, server), pytest.raises(HostError, match="409"):
        asked.trigger("nightly", run_id="mine")
    assert len(server.requests) == 1


def test_what_is_read_and_what_is_set_is_asked_again() -> None:
    with airflow(LOCKED, (200, {"state": "running"})) as (asked, server):
        assert asked.run_state("nightly", "r") == "running"
        server.answers[:] = [LOCKED, (200, {})]
        asked.unpause("nightly")
    assert [method for method, _ in server.requests] == ["GET", "GET", "PATCH", "PATCH"]


def test_what_would_be_done_twice_is_asked_once() -> None:
    with airflow(LOCKED, (200, {})) as (asked, server), pytest.raises(HostError, match="Database error"):
        asked.clear_tasks("nightly", "r", ["train"])
    assert len(server.requests) == 1


def test_a_database_that_stays_locked_is_an_error() -> None:
    with airflow(LOCKED, repeat_for=0.1) as (asked, _), pytest.raises(HostError, match=r"500.*Database error"):
        asked.trigger("nightly")
