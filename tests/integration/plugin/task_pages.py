"""The page of a task over documents that a test writes, and an Airflow page around it; no Airflow, no service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse

from airflow_dlaas.contract.curves import LogChunk
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.demo import ports
from airflow_dlaas.plugin import pages
from airflow_dlaas.plugin.response_models import (
    AnnotationsRequest,
    CurvesResponse,
    DataComparison,
    DataObjects,
    Failure,
    ResultFiles,
    TaskInstanceStatus,
    TaskResponse,
    TextPreview,
    TrainingDetail,
    TrainingList,
    UsageResponse,
)
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from tests.waiting import until

REF = TaskInstanceRef("nightly", "r1", "train")
QUERY = urlencode({"dag_id": REF.dag_id, "run_id": REF.run_id, "task_id": REF.task_id, "map_index": "{MAP_INDEX}"})
TAB = "/dags/nightly/runs/r1/tasks/train/plugin/dlaas-training"
ALONE = f"/dlaas/task?{QUERY}"

AIRFLOW_PAGE = """<!doctype html>
<html class="THEME" style="background: BACKGROUND"><title>Airflow</title><body style="margin:0; padding-left: LEFTpx">
<iframe sandbox="allow-scripts allow-same-origin allow-forms allow-downloads" src="/dlaas/task?QUERY"
 style="border:none;display:block;width:max(100%,700px);height:100vh"></iframe></body></html>"""
"""Airflow's page, with the sandbox of Airflow 3.3; in a narrow window, its list of runs pushes the frame out of it."""


def a_training(state: str = "completed", **more: Any) -> TrainingDetail:
    """Make a training as the page receives it."""
    fields: dict[str, Any] = {
        "ref": REF,
        "connection": "dlaas_default",
        "id": "training-1",
        "state": TrainingState(state),
        "phase": None if TrainingState(state).is_final else "processing",
        "attempt": None,
        "max_attempts": None,
        "name": "digits",
        "framework": "tensorflow 2.21",
        "runtime": "TensorFlow 2.21.0",
        "resource_type": "small",
        "requested_gpus": 1,
        "submitted_at": "2026-11-25T02:00:00Z",
        "running_at": "2026-11-25T02:00:10Z",
        "finished_at": "2026-11-25T04:05:13Z" if TrainingState(state).is_final else None,
        "queue_position": None,
        "gpus": ["virtual:0"],
        "metrics": {},
        "progress_metrics": [],
        "note": "",
        "tags": [],
        "parameters": {},
        "source": "service",
        "description": "",
        "message": None,
        "errors": [],
        "phases": [{"phase": "processing", "since": "2026-11-25T02:00:10Z", "until": None}],
        "attempts": [],
        "checkpoint": None,
        "resumed_from": None,
        "waits_for": None,
        "loading": None,
        "data": None,
        "usage": None,
        "resources": None,
        "isolation": "bubblewrap",
        "warnings": [],
        "cancel_requested": False,
        "definition": {},
        "results": {"container": "results", "location": "training-1"},
        "event_folder": None,
        "tensorboard": None,
    }
    return TrainingDetail(**fields | more)


def a_task(training: TrainingDetail | None, state: str = "success", *others: TrainingDetail) -> TaskResponse:
    """Make a task in *state* whose current training is *training*; *others* are earlier ones."""
    return TaskResponse(
        ref=REF,
        task=TaskInstanceStatus(state=state, operator="TrainModelOperator", try_number=1, max_tries=0),
        tries=[
            {"id": one.id, "state": one.state, "submitted_at": one.submitted_at, "current": one is training}
            for one in (training, *others)
            if one
        ],
        training=training,
        may_edit=True,
        annotations=True,
        service_error=None,
    )


@dataclass
class TaskPages:
    """The documents that the page receives, and the address where a browser finds it."""

    url: str
    task: TaskResponse = field(default_factory=lambda: a_task(a_training()))
    earlier: dict[str, TrainingDetail] = field(default_factory=dict)
    """Trainings of earlier tries by id."""
    curves: CurvesResponse = field(default_factory=lambda: CurvesResponse(version="1", series=[], complete=True))
    earlier_curves: dict[str, CurvesResponse] = field(default_factory=dict)
    """Curves of earlier trainings by id."""
    usage: UsageResponse = field(default_factory=lambda: UsageResponse(series=[], complete=True))
    failure: Failure = field(default_factory=lambda: Failure(exception=None, lines=[]))
    results: ResultFiles = field(
        default_factory=lambda: ResultFiles(container="results", location="training-1", files=[], truncated=False)
    )
    data: DataObjects = field(default_factory=lambda: DataObjects(sources=[]))
    others: TrainingList = field(default_factory=lambda: TrainingList(trainings=[], service_errors=[], unavailable=[]))
    """The trainings of the DAG."""
    comparison: DataComparison = field(default_factory=lambda: DataComparison(equal=True, sources=[]))
    content: dict[str, bytes] = field(default_factory=dict)
    """The results by name."""
    log: str = ""
    annotations: list[AnnotationsRequest] = field(default_factory=list)
    """The requests that changed the note and the tags."""
    theme: str = "light"
    background: str = "#ffffff"
    """The colour of Airflow's page around the frame."""
    left: int = 0
    """Pixels of Airflow's page beside the frame."""

    def app(self) -> FastAPI:
        """Return the application: the page and its JSON below ``/dlaas``, and Airflow's page around it."""
        plugin = FastAPI()
        plugin.include_router(pages.router)

        @plugin.get("/api/task")
        def task(training_id: str | None = None) -> TaskResponse:
            current = self.task.training
            if training_id is None or (current and training_id == current.id):
                return self.task
            if training_id not in self.earlier:
                raise HTTPException(404, "This task has no training with this id")
            return self.task.model_copy(update={"training": self.earlier[training_id]})

        @plugin.get("/api/curves")
        def curves(training_id: str, unless: str = "") -> CurvesResponse:
            if self.task.training and training_id != self.task.training.id:
                if training_id not in self.earlier_curves:
                    raise HTTPException(404, "This task has no training with this id")
                return self.earlier_curves[training_id]
            return self.curves.model_copy(update={"series": None}) if unless == self.curves.version else self.curves

        @plugin.get("/api/usage")
        def usage() -> UsageResponse:
            return self.usage

        @plugin.get("/api/failure")
        def failure() -> Failure:
            return self.failure

        @plugin.get("/api/results")
        def results() -> ResultFiles:
            return self.results

        @plugin.get("/api/data")
        def data() -> DataObjects:
            return self.data

        @plugin.get("/api/data/compare")
        def compare(other_run_id: str, other_training_id: str) -> DataComparison:
            known = {(one.ref.run_id, one.id) for one in self.others.trainings}
            if (other_run_id, other_training_id) not in known:
                raise HTTPException(404, "This task has no training with this id")
            return self.comparison

        @plugin.get("/api/dag")
        def list_of_dag() -> TrainingList:
            return self.others

        @plugin.get("/api/results/preview")
        def preview(name: str) -> TextPreview:
            return TextPreview(text=self.content[name].decode(), truncated=True)

        @plugin.get("/api/results/download")
        def download(name: str, inline: int = 0) -> Response:
            return attachment(self.content[name], name, None if not inline else "image/png")

        @plugin.get("/api/log")
        def log() -> LogChunk:
            size = len(self.log.encode())
            return LogChunk(text=self.log, start=0, end=size, size=size, complete=True)

        @plugin.get("/api/log/download")
        def download_log() -> Response:
            return attachment(self.log.encode(), "log.txt", None)

        @plugin.put("/api/annotations", status_code=204)
        def annotate(body: AnnotationsRequest) -> Response:
            self.annotations.append(body)
            assert self.task.training
            changed = self.task.training.model_copy(update={"note": body.note, "tags": body.tags})
            self.task = self.task.model_copy(update={"training": changed})
            return Response(status_code=204)

        app = FastAPI()
        app.mount("/dlaas", plugin)

        @app.get(TAB)
        def tab() -> HTMLResponse:
            page = AIRFLOW_PAGE.replace("THEME", self.theme).replace("BACKGROUND", self.background)
            return HTMLResponse(page.replace("LEFT", str(self.left)).replace("QUERY", QUERY.replace("&", "&amp;")))

        return app


def attachment(content: bytes, name: str, media_type: str | None) -> Response:
    """Make the response with a file that the browser stores, or shows where it has a media type."""
    headers = {} if media_type else {"Content-Disposition": f'attachment; filename="{name.split("/")[-1]}"'}
    return Response(content, media_type=media_type or "application/octet-stream", headers=headers)


@contextmanager
def task_pages() -> Iterator[TaskPages]:
    """Serve the page from a thread at a free port."""
    (port,) = ports.find_free_ports()
    served = TaskPages(f"http://127.0.0.1:{port}")
    config = uvicorn.Config(lambda: served.app(), factory=True, host="127.0.0.1", port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield served
    finally:
        server.should_exit = True
        thread.join()
