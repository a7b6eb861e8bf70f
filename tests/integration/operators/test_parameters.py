"""Tests that a parameter which is wrong when the task runs fails the task before any request is sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath

from airflow_dlaas.exceptions import DlaasError, InvalidArgument, InvalidDefinition, NotConfigured
from airflow_dlaas.packaging import archive
from tests.parameters import CASES, REFUSED, ROWS, VALUES, expected, make, steps


class Recorder(ThreadingHTTPServer):
    """A real server that refuses every request, and records the requests."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def handle(self) -> None:
                recorder.requests.append("")  # a connection without a request counts too
                super().handle()

            def answer(self) -> None:
                recorder.requests[-1] = f"{self.command} {self.path}"
                self.send_response(401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - names of http.server

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """The server of all connections."""
    with Recorder() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        connect(monkeypatch, dlaas_default=("dlaas", server.url), swift_default=("swift", f"{server.url}/auth/v1.0"))
        yield server
        server.shutdown()


def connect(monkeypatch: pytest.MonkeyPatch, **connections: tuple[str, str]) -> None:
    for name, (kind, host) in connections.items():
        fields = {"conn_type": kind, "host": host, "login": "u", "password": "secret-pw"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))


class FakeTaskInstance:
    """The attributes of a task instance that an operator reads before its first request."""

    dag_id, run_id, task_id, map_index, try_number, max_tries = "d", "r", "step", -1, 1, 0
    id = None
    start_date = None

    def xcom_push(self, **_: Any) -> None:
        pass

    def get_first_reschedule_date(self, _: Any) -> None:
        pass


def context_of(step: Any) -> Any:
    started = datetime.now(timezone.utc)
    run = SimpleNamespace(run_id="r", start_date=started, run_after=started)
    return {"ti": FakeTaskInstance(), "task": step, "dag_run": run, "outlet_events": {}}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Local files for operators, by the names of their parameters."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("pass")
    archive.pack(tmp_path / "code", target=tmp_path / "code.zip")
    return {"source": tmp_path / "code", "destination": tmp_path / "to", "bundle": tmp_path / "code.zip"}


@pytest.mark.parametrize("native", [False, True], ids=["texts", "native"])
@pytest.mark.parametrize("name", ROWS)
def test_wrong_value_is_refused_before_any_request(recorder: Recorder, name: str, native: bool) -> None:
    checked = 0
    for parameter in ROWS[name]:
        if parameter not in steps()[name].template_fields:
            continue
        for label, value in VALUES.items():
            if expected(name, parameter, label, rendered=True) is not REFUSED:
                continue
            if not native and not isinstance(value, str):
                continue  # a template results in a text
            with DAG("d", render_template_as_native_obj=native):
                step = make(name, **{parameter: "{{ value }}"})
            step.render_template_fields({"value": value})
            with pytest.raises((InvalidArgument, InvalidDefinition), match=rf"\b{parameter}\b"):
                step.execute(context_of(step))
            checked += 1
    assert checked
    assert recorder.requests == []


@pytest.mark.parametrize("name", sorted(ROWS.keys() - {"PackageModelOperator"}))
def test_valid_values_lead_to_a_request(recorder: Recorder, name: str, files: dict[str, Path]) -> None:
    """Otherwise the test above would prove nothing. `PackageModelOperator` sends no request."""
    given: dict[str, Any] = {one: path for one, path in files.items() if one in ROWS[name]}
    if "deferrable" in ROWS[name]:
        given["deferrable"] = False
    step = make(name, **given)
    with pytest.raises(DlaasError):
        step.execute(context_of(step))
    assert recorder.requests


@pytest.mark.parametrize(("name", "parameter"), [case for case in CASES if case[1].endswith("_conn_id")])
def test_connection_of_another_type_gets_no_request(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, name: str, parameter: str, files: dict[str, Path]
) -> None:
    monkeypatch.undo()
    connect(
        monkeypatch, wrong=("http", recorder.url), dlaas_default=("x", recorder.url), swift_default=("x", recorder.url)
    )
    with DAG("d"):
        step = make(
            name,
            **{one: path for one, path in files.items() if one in ROWS[name]},
            **{one: "{{ value }}" for one in ROWS[name] if one.endswith("_conn_id")},
        )
    step.render_template_fields({"value": "wrong"})
    kind = parameter.removesuffix("_conn_id").replace("store", "swift")
    has_two = name in {"FetchModelOperator", "PruneResultsOperator"}
    expected_type = "(dlaas|swift)" if has_two else kind
    with pytest.raises(
        NotConfigured, match=f"'wrong' is of type 'http', but must be of type '{expected_type}'"
    ) as refused:
        step.execute(context_of(step))
    assert "secret-pw" not in str(refused.value)
    assert recorder.requests == []


@pytest.mark.parametrize("name", ["SubmitTrainingOperator", "TrainModelOperator"])
def test_definition_with_a_connection_of_another_type_is_not_sent(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    connect(monkeypatch, swift_default=("dlaas", recorder.url))
    step = make(name)
    with pytest.raises(NotConfigured, match="'swift_default' is of type 'dlaas', but must be of type 'swift'"):
        step.execute(context_of(step))
    assert recorder.requests == []


def test_path_with_a_connection_of_another_type_gets_no_request(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, wrong=("http", recorder.url))
    with pytest.raises(NotConfigured, match="'wrong' is of type 'http', but must be of type 'swift'"):
        ObjectStoragePath("swift://wrong@container/key").exists()
    assert recorder.requests == []
