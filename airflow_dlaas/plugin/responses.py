"""Build the documents that the pages receive. Pure functions; `response_models` has the documents."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_dlaas._util.secret_names import is_secret_name
from airflow_dlaas.contract.curves import Curves, metric_label
from airflow_dlaas.contract.hyperparameter_values import format_hyperparameter
from airflow_dlaas.contract.hyperparameters import redact_secrets, shown_hyperparameters
from airflow_dlaas.contract.training import Training
from airflow_dlaas.contract.usage_history import UsageHistory
from airflow_dlaas.integrations.tensorboard import event_log_dir, tensorboard_page_url
from airflow_dlaas.plugin.response_models import (
    CurveSeries,
    CurvesResponse,
    MetricNumber,
    PhaseInterval,
    ResultsLocation,
    Source,
    TrainingDetail,
    TrainingError,
    TrainingListItem,
    Try,
    UsagePointSeries,
    UsageResponse,
)
from airflow_dlaas.plugin.xcoms import TaskInstanceRef

MASK = "***"


def training_list_item(
    ref: TaskInstanceRef, conn_id: str, training: Training, *, source: Source = "service"
) -> TrainingListItem:
    """Build a training's row in a list."""
    return TrainingListItem(**_list_item_fields(ref, conn_id, training, source))


def _list_item_fields(ref: TaskInstanceRef, conn_id: str, training: Training, source: Source) -> dict[str, Any]:
    model, status = training.entity.model_definition, training.status
    return {
        "ref": ref,
        "connection": conn_id,
        "id": training.id,
        "state": status.state,
        "phase": str(status.phase) if status.phase and not status.state.is_final else None,
        "attempt": status.attempt,
        "max_attempts": training.entity.recovery.attempts if training.entity.recovery else None,
        "name": model.name,
        "framework": str(model.framework),
        "runtime": status.runtime,
        "resource_type": model.execution.size_text,
        "requested_gpus": model.execution.gpus,
        "submitted_at": status.submitted_at,
        "running_at": status.running_at,
        "finished_at": status.finished_at,
        "queue_position": status.queue_position,
        "gpus": list(status.gpus or ()),
        "metrics": {
            metric_label(metric.phase, value.name): metric_number(value.value)
            for metric in reversed(status.metrics)
            for value in metric.values
        },
        "progress_metrics": sorted(
            {
                metric_label(metric.phase, value.name)
                for metric in status.metrics
                if metric.progress
                for value in metric.values
            }
        ),
        "note": status.note or "",
        "tags": list(status.tags or ()),
        "parameters": {
            name: format_hyperparameter(one) for name, one in shown_hyperparameters(model.execution).items()
        },
        "source": source,
    }


def unknown_training(ref: TaskInstanceRef, conn_id: str, training_id: str | None) -> TrainingListItem:
    """Build the row of a training about which nothing is known now; without an id, it is not submitted yet."""
    return TrainingListItem(
        ref=ref,
        connection=conn_id,
        id=training_id,
        state=None,
        phase=None,
        attempt=None,
        max_attempts=None,
        name="",
        framework="",
        runtime=None,
        resource_type="",
        requested_gpus=0,
        submitted_at=None,
        running_at=None,
        finished_at=None,
        queue_position=None,
        gpus=[],
        metrics={},
        progress_metrics=[],
        note="",
        tags=[],
        parameters={},
        source="task",
    )


def training_detail(
    ref: TaskInstanceRef,
    conn_id: str,
    training: Training,
    definition: Any,
    *,
    source: Source = "service",
    tensorboard_url: str | None = None,
) -> TrainingDetail:
    """
    Build the document of a training's own page.

    :param definition: the definition as the task rendered it; without one, the service's copy is shown.
    :param tensorboard_url: the URL template of the site's TensorBoard, from the connection.
    """
    status = training.status
    location = training.entity.training_results.location if training.entity.training_results else None
    return TrainingDetail(
        **_list_item_fields(ref, conn_id, training, source),
        description=training.entity.model_definition.description,
        message=status.message,
        errors=[
            TrainingError(code=one.code, message=one.message) for one in (status.error.errors if status.error else ())
        ],
        phases=_phase_intervals(training),
        attempts=list(status.attempts or ()),
        checkpoint=status.checkpoint,
        resumed_from=status.resumed_from,
        waits_for=None if status.state.is_final else status.waits_for,
        loading=None if status.state.is_final else status.loading,
        data=status.data,
        usage=None if status.state.is_final else status.usage,
        resources=status.resources,
        isolation=status.isolation,
        cancel_requested=bool(status.cancel_requested),
        warnings=list(status.warnings or ()),
        definition=mask_secrets(definition or training.entity.model_definition.model_dump(mode="json", by_alias=True)),
        results=ResultsLocation(container=location.container, location=location.model_location) if location else None,
        event_folder=event_log_dir(training),
        tensorboard=tensorboard_page_url(tensorboard_url, training),
    )


def tries(trainings: Iterable[Training], current_id: str | None) -> list[Try]:
    """Build the list of the trainings of one task, newest first."""
    ordered = sorted(trainings, key=lambda one: one.status.submitted_at, reverse=True)
    return [
        Try(id=one.id, state=one.state, submitted_at=one.status.submitted_at, current=one.id == current_id)
        for one in ordered
    ]


def curves_response(curves: Curves) -> CurvesResponse:
    """Build the document of *curves*."""
    series = None
    if curves.series is not None:
        series = [
            CurveSeries(
                name=one.name,
                phase=one.phase,
                axis=one.axis if one.axis in ("epoch", "step", "time") else None,
                progress=one.progress,
                total=one.total,
                points=[(step, metric_number(value), at) for step, value, at in one.points],
            )
            for one in curves.series
        ]
    return CurvesResponse(version=curves.version, series=series, complete=curves.complete)


def usage_response(history: UsageHistory) -> UsageResponse:
    """Build the document of *history*."""
    return UsageResponse(
        series=[
            UsagePointSeries(
                resource=one.resource,
                unit=one.unit,
                device=one.device,
                limit=one.limit if one.limit is None or math.isfinite(one.limit) else None,
                points=[(at, value) for at, value in one.points if math.isfinite(at) and math.isfinite(value)],
            )
            for one in history.series
        ],
        complete=history.complete,
    )


def metric_number(value: float) -> MetricNumber:
    """Return *value* as JSON has it: NaN and the infinities as texts."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def mask_secrets(document: Any) -> Any:
    """
    Mask each value whose key looks like the name of a secret, and secrets on command lines.

    Definitions name connections and should contain no secrets; this is the second line of defense.
    """
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


def _phase_intervals(training: Training) -> list[PhaseInterval]:
    phases = training.status.phases or ()
    if not phases:
        return []
    ends = [*(one.since for one in phases[1:]), training.status.finished_at]
    return [
        PhaseInterval(phase=str(one.phase), since=one.since, until=end) for one, end in zip(phases, ends, strict=True)
    ]
