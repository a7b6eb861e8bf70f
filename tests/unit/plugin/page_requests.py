"""A browser in front of the plugin, a fake service with one training, and an object store with its results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, HTTPException
from starlette.testclient import TestClient

from airflow_dlaas.client.calls import Call
from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.curves import Curves, LogChunk, Series
from airflow_dlaas.contract.training import ResultsLocation, ResultsReport, Training
from airflow_dlaas.contract.usage_history import UsageHistory
from airflow_dlaas.exceptions import NotFound, StoreError, Unreachable
from airflow_dlaas.hooks.connections import ServiceConnection
from airflow_dlaas.plugin.result_stores import translate_store_errors
from airflow_dlaas.plugin.routes import dependencies
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from airflow_dlaas.task_runs.run_key import RunKey, task_digest
from airflow_dlaas.task_runs.summary import SUMMARY_XCOM_KEY, summarize_training
from tests.builders import a_training
from tests.memory_store import MemoryStore
from tests.unit.plugin.airflow import FakeAirflow

REF = TaskInstanceRef("nightly", "r1", "train")
QUERY = {"dag_id": "nightly", "run_id": "r1", "task_id": "train", "map_index": "{MAP_INDEX}"}
POLL = {**QUERY, "training_id": "training-1"}

CURVES = Curves(version="7", series=(Series(name="loss", total=1, points=((1.0, 0.5, 0.0),)),))


def tagged_training(results: ResultsLocation | None = None) -> Training:
    """Make ``training-1``, whose tag names the task of `REF`; it has one metric."""
    metric = {
        "timestamp": "2026-11-23T02:00:00.000Z",
        "iteration": 3,
        "phase": "train",
        "values": [{"name": "loss", "value": 0.25}],
    }
    made = a_training(metrics=[metric])
    tag = RunKey(task_digest("nightly", "r1", "train", -1), "0" * 12, 0, airflow_digest="a" * 16)
    model = made.entity.model_definition.model_copy(update={"description": str(tag)})
    report = ResultsReport(location=results) if results else None
    entity = made.entity.model_copy(update={"model_definition": model, "training_results": report})
    return made.model_copy(
        update={"entity": entity, "metadata": made.metadata.model_copy(update={"guid": "training-1"})}
    )


@dataclass
class FakeService:
    """The clients of a service with one training; with *curves* None it has no such extension."""

    curves: Curves | None = CURVES
    usage: UsageHistory | None = None
    annotations: bool = True
    log: str | None = "Iter 1\n"
    results: ResultsLocation | None = None
    is_down: bool = False
    sent: list[str] = field(default_factory=list)
    """Method and path of each request."""
    annotated: Annotations | None = None

    def send(self, conn_id: str, call: Call[Any]) -> Any:
        path = call.path.partition("?")[0]
        self.sent.append(f"{call.method} {path}")
        if self.is_down:
            raise Unreachable(f"The service of connection {conn_id!r} does not answer")
        if "/training-" in path and path.split("/")[3] != "training-1":
            raise NotFound("There is no such training")
        if path.endswith("/log"):
            return self._log_chunk(call)
        if path.endswith("/usage") and self.usage is not None:
            return self.usage
        if path.endswith("/annotations"):
            assert isinstance(call.body, Annotations)
            self.annotated = call.body
            return None
        if path.endswith("/metrics"):
            if self.curves is None:
                raise NotFound("There is no such path")
            return self.curves
        if path.count("/") > 3:
            raise NotFound("There is no such path")
        return tagged_training(self.results)

    def _log_chunk(self, call: Call[Any]) -> LogChunk:
        """Return whole lines of the log, at most two from the offset on."""
        if self.log is None:
            raise NotFound("There is no such training")
        query = dict(parse_qsl(call.path.partition("?")[2]))
        start = 0 if "tail" in query else int(query.get("offset", 0))
        lines = self.log[start:].splitlines(keepends=True)
        text = "".join(lines if "tail" in query else lines[:2])
        return LogChunk(text=text, start=start, end=start + len(text), size=len(self.log))

    def has_annotations(self, conn_id: str) -> bool:
        self.send(conn_id, Call("GET", "/v3/wml_instances/x", lambda _: None))
        return self.annotations

    def list_trainings(self, conn_id: str, *, max_age: float = 0.0) -> tuple[Training, ...]:  # noqa: ARG002
        return (self.send(conn_id, Call("GET", "/v3/models", lambda _: None)),)

    def get_connection(self, conn_id: str) -> ServiceConnection:
        return ServiceConnection("http://service.example", conn_id, "geheim")


class FakeStores:
    """One object store, of the connection ``s``; with *error*, each request fails."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.error: StoreError | None = None

    @contextmanager
    def use(self, conn_id: str) -> Iterator[MemoryStore]:
        assert conn_id == "s"
        with translate_store_errors(conn_id):
            if self.error is not None:
                raise self.error
            yield self.store


@dataclass
class Pages:
    """A browser of one user in front of the plugin."""

    airflow: FakeAirflow
    service: FakeService
    app: FastAPI
    http: TestClient
    stores: FakeStores
    """The object store of the connection ``s``; its container ``c`` has the results."""


def allow_edit(pages: Pages, *, allowed: bool) -> None:
    def check() -> None:
        if not allowed:
            raise HTTPException(403, "Forbidden")

    pages.app.dependency_overrides[dependencies.require_edit_access] = check


def store_summary(pages: Pages) -> None:
    """Let the task have stored a summary of its training."""
    pages.airflow.xcoms[REF, SUMMARY_XCOM_KEY] = summarize_training(tagged_training(pages.service.results), CURVES, "c")
