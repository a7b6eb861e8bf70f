"""What the pages are told, as plain data (``ui/src/api.ts`` has the other half). Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_dlaas._util.secret_names import is_secret_name
from airflow_dlaas.contract.base import format_time
from airflow_dlaas.contract.curves import Curves
from airflow_dlaas.contract.training import Training
from airflow_dlaas.integrations.tensorboard import event_log_dir, tensorboard_page_url
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from airflow_dlaas.task_runs.hyperparameters import parse_hyperparameters, redact_secrets
from airflow_dlaas.task_runs.summary import metric_label

MASK = "***"


def task_instance_json(ref: TaskInstanceRef) -> dict[str, Any]:
    """Name a task instance."""
    return {"dag_id": ref.dag_id, "run_id": ref.run_id, "task_id": ref.task_id, "map_index": ref.map_index}


def training_row(ref: TaskInstanceRef, conn_id: str, training: Training, *, source: str = "service") -> dict[str, Any]:
    """Tell of a training what a row of a list shows."""
    model, status = training.entity.model_definition, training.status
    return {
        "ref": task_instance_json(ref),
        "connection": conn_id,
        "id": training.id,
        "state": str(status.state),
        "phase": str(status.phase) if status.phase and not status.state.is_final else None,
        "name": model.name,
        "framework": str(model.framework),
        "runtime": status.runtime,
        "resource_type": str(model.execution.resource_type),
        "submitted_at": _format_time(status.submitted_at),
        "running_at": _format_time(status.running_at),
        "finished_at": _format_time(status.finished_at),
        "queue_position": status.queue_position,
        "gpus": list(status.gpus or ()),
        "metrics": {
            metric_label(metric.phase, value.name): value.value
            for metric in reversed(status.metrics)
            for value in metric.values
            if math.isfinite(value.value)
        },
        "parameters": parse_hyperparameters(model.execution.command),
        "source": source,
    }


def unknown_row(ref: TaskInstanceRef, conn_id: str, training_id: str | None) -> dict[str, Any]:
    """Tell of a training of which nothing can be learned now; without an id, it has not been submitted yet."""
    nothing = (
        "state",
        "phase",
        "runtime",
        "submitted_at",
        "running_at",
        "finished_at",
        "queue_position",
    )
    return {
        "ref": task_instance_json(ref),
        "connection": conn_id,
        "id": training_id,
        **dict.fromkeys(nothing),
        "name": "",
        "framework": "",
        "resource_type": "",
        "gpus": [],
        "metrics": {},
        "parameters": {},
        "source": "task",
    }


def training_detail(
    ref: TaskInstanceRef,
    conn_id: str,
    training: Training,
    definition: Any,
    *,
    source: str = "service",
    tensorboard_url: str | None = None,
) -> dict[str, Any]:
    """
    Tell all of a training.

    :param definition: what the task was rendered to, without secrets.
    :param tensorboard_url: what the connection says of the site's TensorBoard.
    """
    status = training.status
    location = training.entity.training_results.location if training.entity.training_results else None
    return {
        **training_row(ref, conn_id, training, source=source),
        "description": training.entity.model_definition.description,
        "message": status.message,
        "errors": [{"code": one.code, "message": one.message} for one in (status.error.errors if status.error else ())],
        "phases": _phases(training),
        "usage": status.usage.model_dump(mode="json") if status.usage and not status.state.is_final else None,
        "isolation": status.isolation,
        "cancel_requested": bool(status.cancel_requested),
        "definition": mask_secrets(
            definition or training.entity.model_definition.model_dump(mode="json", by_alias=True)
        ),
        "event_folder": event_log_dir(training),
        "tensorboard": tensorboard_page_url(tensorboard_url, training),
        "results": {"container": location.container, "location": location.model_location} if location else None,
    }


def tries(trainings: Iterable[Training], current: str | None) -> list[dict[str, Any]]:
    """List the trainings of one task, newest first."""
    ordered = sorted(trainings, key=lambda one: one.status.submitted_at, reverse=True)
    return [
        {
            "id": one.id,
            "state": str(one.state),
            "submitted_at": _format_time(one.status.submitted_at),
            "current": one.id == current,
        }
        for one in ordered
    ]


def curves_json(curves: Curves) -> dict[str, Any]:
    """Tell curves; what is no number is null, since JSON has no word for it."""
    series = None
    if curves.series is not None:
        series = [
            {
                "name": one.name,
                "phase": one.phase,
                "total": one.total,
                "points": [[step, value if math.isfinite(value) else None, at] for step, value, at in one.points],
            }
            for one in curves.series
        ]
    return {"version": curves.version, "series": series, "complete": curves.complete}


def mask_secrets(document: Any) -> Any:
    """Hide whatever goes by a name that secrets go by. Definitions name connections: there should be none."""
    match document:
        case Mapping():
            return {
                key: MASK if is_secret_name(str(key)) and value is not None else mask_secrets(value)
                for key, value in document.items()
            }
        case list() | tuple():
            return [mask_secrets(one) for one in document]
        case str():
            return redact_secrets(document)
        case _:
            return document


def _phases(training: Training) -> list[dict[str, Any]]:
    phases = training.status.phases or ()
    ends = [*(one.since for one in phases[1:]), training.status.finished_at]
    return (
        [
            {"phase": str(one.phase), "since": _format_time(one.since), "until": _format_time(end)}
            for one, end in zip(phases, ends, strict=True)
        ]
        if phases
        else []
    )


def _format_time(timestamp: Any) -> str | None:
    return None if timestamp is None else format_time(timestamp)
