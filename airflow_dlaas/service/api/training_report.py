"""A training as replies tell of it: the record, its metrics, and the envelope of its error."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas.contract.error import ErrorReport
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import (
    Metric,
    PhaseTime,
    ResourceUsage,
    ResultsLocation,
    TrainingStatus,
)
from airflow_dlaas.service.api.dependencies import Parts
from airflow_dlaas.service.api.unreadable_records import in_place_of, trace_of
from airflow_dlaas.service.job_files import UNREADABLE, BoardsMark, Exit, JobFolder, PhaseMark, read_mark
from airflow_dlaas.service.regular_file import open_to_read
from airflow_dlaas.service.store.base import TrainingRecord

PATH = "/v3/models"

_damaged = LoggedOnce(logging.getLogger(__name__))

M = TypeVar("M", bound=BaseModel)

STALE = timedelta(minutes=1)
"""How long a measurement of what a training uses is told."""

_TAIL = 64 * 1024
"""Bytes at the end of the metrics in which the last ones are looked for."""

_LAST = 32
"""Metrics told of with a training."""


def one(parts: Parts, record: TrainingRecord) -> dict[str, Any]:
    """Report a single training."""
    position = parts.store.queue_position(record.id) if record.state is TrainingState.PENDING else None
    return _report(parts, record, position)


def many(parts: Parts, records: Sequence[TrainingRecord]) -> list[dict[str, Any]]:
    """Report several; the queue is asked for once."""
    waiting = any(_waits(record) for record in records)
    queue = {each: place for place, each in enumerate(parts.store.queue())} if waiting else {}
    return [_report(parts, record, queue.get(record.id)) for record in records]


def last_metrics(path: Path) -> tuple[Metric, ...]:
    """
    Read the last whole line of *path* that is a metric, and after it those that were last of other names.

    They are looked for near the end; a name that has not been told for long is left out.
    """
    try:
        with open_to_read(path) as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return ()
    except OSError as error:
        _damaged.warning(path, "%s cannot be read (%s); replies show no metrics", path, error.strerror)
        return ()
    found: list[Metric] = []
    seen: set[tuple[str, str]] = set()
    for line in reversed(lines[:-1]):  # what follows the last newline is still being written
        metric = read_metric(line)
        if metric is None or len(found) == _LAST:
            continue
        new = tuple(one for one in metric.values if (metric.phase, one.name) not in seen)
        if new:
            found.append(metric.model_copy(update={"values": new}))
            seen.update((metric.phase, one.name) for one in new)
    return tuple(found)


def read_metric(line: bytes) -> Metric | None:
    """Read one line of metrics; None for what a crash left half written."""
    try:
        return Metric.model_validate_json(line)
    except ValidationError:
        return None


def _report(parts: Parts, record: TrainingRecord, position: int | None) -> dict[str, Any]:
    if record.damage is not None:
        return in_place_of(record, _metadata(record), _now(parts, record), f"columns of the database: {record.damage}")
    try:
        return _whole(parts, record, position)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        # Stored by another version, or changed since: it must not keep the others from being listed.
        _damaged.warning(record.id, "Training %s cannot be shown", record.id, exc_info=error)
        return in_place_of(record, _metadata(record), _now(parts, record), "its definition is none")


def _whole(parts: Parts, record: TrainingRecord, position: int | None) -> dict[str, Any]:
    metadata = _metadata(record)
    entity = dict(record.definition)
    if not isinstance(entity.get("model_definition"), Mapping):
        raise ValueError("the definition has no model_definition")
    if record.stored:
        location = ResultsLocation(container=_container(record.definition), model_location=record.id)
        entity["training_results"] = {**entity.get("training_results", {}), "location": location.model_dump()}
    entity["status"] = _status(parts, record, position).model_dump(exclude_none=True)
    to_json(entity)  # what cannot be written must not be found out only with the others around it
    return {"metadata": metadata.model_dump(), "entity": entity}


def _metadata(record: TrainingRecord) -> Metadata:
    return Metadata(
        guid=record.id, url=f"{PATH}/{record.id}", created_at=record.submitted_at, modified_at=record.modified_at
    )


def _status(parts: Parts, record: TrainingRecord, position: int | None) -> TrainingStatus:
    job = JobFolder(parts.jobs / record.id)
    phase = _mark(job.phase, PhaseMark) if record.started_at else None
    return TrainingStatus(
        state=record.state,
        submitted_at=record.submitted_at,
        running_at=record.running_at,
        finished_at=record.finished_at,
        current_at=_now(parts, record),
        message=f"{record.id}: {record.exit_code or ''}" if record.state.is_final else None,
        metrics=last_metrics(job.metrics) if record.started_at else (),
        error=ErrorReport(trace=trace_of(record), errors=(record.error,)) if record.error else None,
        phase=Phase.QUEUED if _waits(record) else record.phase,
        queue_position=position,
        gpus=record.gpus or None,
        runtime=record.provides,
        cancel_requested=True if record.cancel_requested and not record.state.is_final else None,
        isolation=record.isolation or (phase.isolation if phase and not record.state.is_final else None),
        phases=_phases(record, phase),
        usage=_usage(job, record),
        warnings=_warnings(job) if record.state.is_final and record.started_at else None,
        event_folders=_event_folders(job) if record.started_at else None,
        acknowledged_at=record.acknowledged_at,
    )


def _mark(path: Path, kind: type[M]) -> M | None:
    """Read what the learner wrote; what cannot be read is left out of the report."""
    try:
        return read_mark(path, kind)
    except UNREADABLE as error:
        _damaged.warning(path, "%s cannot be read (%s); replies leave out its content", path, type(error).__name__)
        return None


def _phases(record: TrainingRecord, mark: PhaseMark | None) -> tuple[PhaseTime, ...]:
    waited = PhaseTime(phase=Phase.QUEUED, since=record.submitted_at)
    if mark is None:
        return (waited,)
    return (waited, *mark.before, PhaseTime(phase=mark.phase, since=mark.since))


def _usage(job: JobFolder, record: TrainingRecord) -> ResourceUsage | None:
    """Read what a running training uses; what was measured too long ago says nothing of now."""
    if record.state is not TrainingState.RUNNING:
        return None
    usage = _mark(job.usage, ResourceUsage)
    return usage if usage and datetime.now(timezone.utc) - usage.at < STALE else None


def _warnings(job: JobFolder) -> tuple[str, ...] | None:
    mark = _mark(job.exit, Exit)
    return mark.warnings or None if mark else None


def _event_folders(job: JobFolder) -> tuple[str, ...] | None:
    mark = _mark(job.boards, BoardsMark)
    return mark.folders or None if mark else None


def _waits(record: TrainingRecord) -> bool:
    return not record.state.is_final and record.started_at is None


def _now(parts: Parts, record: TrainingRecord) -> datetime:
    # Another process's clock may have stamped the record; time never seems to run backwards for a reader.
    return max(parts.clock(), record.modified_at)


def _container(definition: Mapping[str, Any]) -> str:
    results = definition.get("training_results")
    place = (results.get("target") or results["source"]) if results else definition["training_data"][0]["source"]
    return str(place["container"])
