"""How the console describes a training. Pure functions."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow_dlaas.cli.attempt_text import describe_attempts, describe_checkpoint
from airflow_dlaas.cli.data_text import describe_data, describe_loading
from airflow_dlaas.cli.resource_text import describe_resources
from airflow_dlaas.contract.attempt_text import describe_source
from airflow_dlaas.contract.curves import metric_label
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import Metric, Training

STATE_COLORS = {
    TrainingState.PENDING: "yellow",
    TrainingState.RUNNING: "cyan",
    TrainingState.COMPLETED: "green",
    TrainingState.ERROR: "red",
    TrainingState.CANCELED: "magenta",
}

_USUAL_PHASES = {None, Phase.QUEUED, Phase.PROCESSING}
"""Phases that the state `pending` or `running` alone stands for."""


def format_time(timestamp: datetime) -> str:
    """Return *timestamp* in the time zone of this machine."""
    return timestamp.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def format_duration(duration: timedelta) -> str:
    """Return *duration* as hours, minutes and seconds; a negative one, of clocks that differ, is zero."""
    seconds = max(0, int(duration.total_seconds()))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def run_duration(training: Training) -> str:
    """Return how long a training has been running, or ran; empty before its start."""
    status = training.status
    if status.running_at is None:
        return ""
    return format_duration((status.finished_at or status.current_at) - status.running_at)


def describe_state(training: Training) -> str:
    """Return the state, with the phase, the position in the queue and what is waited for where they are of use."""
    status = training.status
    phase = "" if training.state.is_final or status.phase in _USUAL_PHASES else f", {status.phase}"
    queue = f" (#{position + 1})" if (position := _queue_position(training)) is not None else ""
    cancel = ", to be canceled" if status.cancel_requested and not training.state.is_final else ""
    waits = f", waits for {status.waits_for}" if status.waits_for and not training.state.is_final else ""
    return f"{training.state}{phase}{queue}{waits}{cancel}"


def describe_error(training: Training) -> str | None:
    """Return the errors of a training, one a line."""
    error = training.status.error
    return "\n".join(f"{one.message} ({one.code})" for one in error.errors) if error else None


def training_fields(training: Training) -> dict[str, str | None]:
    """Return what the console shows of one training, by the name of the field; None for fields without a value."""
    model, status = training.entity.model_definition, training.status
    ended_at = status.finished_at or status.current_at
    return {
        "id": training.id,
        "name": model.name,
        "state": describe_state(training),
        "queue": f"{position} before it" if (position := _queue_position(training)) is not None else None,
        "tags": ", ".join(status.tags or ()),
        "note": status.note,
        "framework": str(model.framework),
        "runs on": status.runtime,
        "command": model.execution.command,
        "gpus": f"{model.execution.size_text}: {', '.join(status.gpus or ()) or 'none booked'}",
        "resources": describe_resources(status.resources),
        "isolation": status.isolation,
        "code": model.definition_location,
        "submitted": format_time(status.submitted_at),
        "running": format_time(status.running_at) if status.running_at else None,
        "finished": format_time(status.finished_at) if status.finished_at else None,
        "took": run_duration(training),
        "total": format_duration(ended_at - status.submitted_at),
        "phases": describe_phases(training),
        "loading": describe_loading(status.loading) if status.loading else None,
        "data": describe_data(status.data),
        "attempts": describe_attempts(training),
        "resumed from": describe_source(status.resumed_from, training.id) if status.resumed_from else None,
        "checkpoint": describe_checkpoint(training),
        "message": status.message,
        "metrics": describe_metrics(status.metrics),
        "error": describe_error(training),
        "warnings": "\n".join(status.warnings or ()),
        "results": _results_location(training),
    }


def describe_phases(training: Training) -> str:
    """Return the phases in their order, each with its duration; the last one ends with the training."""
    status = training.status
    phases = status.phases or ()
    ends = [*(one.since for one in phases[1:]), status.finished_at or status.current_at]
    return ", ".join(f"{one.phase} {format_duration(end - one.since)}" for one, end in zip(phases, ends, strict=False))


def describe_metrics(metrics: tuple[Metric, ...]) -> str:
    """Return the newest value of each metric, with what it was measured at."""
    newest: dict[str, tuple[Metric, float]] = {}
    for metric in metrics:
        for value in metric.values:
            label = metric_label(metric.phase, value.name)
            if label not in newest or metric.timestamp > newest[label][0].timestamp:
                newest[label] = metric, value.value
    return ", ".join(
        f"{label} {format_number(number)} ({metric.axis or 'iteration'} {metric.iteration})"
        for label, (metric, number) in newest.items()
    )


def format_number(value: float) -> str:
    """Return *value* with six digits; NaN and the infinities as the API writes them."""
    text = f"{value:g}"
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)


def _queue_position(training: Training) -> int | None:
    """Return how many trainings start before this one; None also while others may pass it."""
    return None if training.status.waits_for else training.status.queue_position


def _results_location(training: Training) -> str | None:
    results = training.entity.training_results
    if results is None or results.location is None:
        return None
    return f"{results.location.container}/{results.location.model_location}/"
