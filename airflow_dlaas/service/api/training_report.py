"""The report of a training in responses: its record in the store, and the files of its job directory."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas.contract.error import ErrorReport
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.results import attempt_folder
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import (
    Metric,
    ResourceUsage,
    ResultsLocation,
    TrainingStatus,
)
from airflow_dlaas.service.api.attempt_reports import (
    awaited_training,
    is_queued,
    report_attempts,
    report_phase,
    report_phases,
    report_resumed_from,
    report_waits_for,
)
from airflow_dlaas.service.api.dependencies import ApiDeps
from airflow_dlaas.service.api.resource_reports import report_resources
from airflow_dlaas.service.api.unreadable_records import training_trace, unreadable_report
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.job_files import READ_ERRORS, JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import (
    CheckpointsFile,
    DataFile,
    EventDirsFile,
    ExitFile,
    PhaseFile,
    ResourcesFile,
)
from airflow_dlaas.service.metrics.last_values import last_values
from airflow_dlaas.service.regular_file import open_regular_file
from airflow_dlaas.service.stall_report import StallsFile
from airflow_dlaas.service.store.records import TrainingRecord

MODELS_PATH = "/v3/models"

_log_once = LoggedOnce(logging.getLogger(__name__))

ModelT = TypeVar("ModelT", bound=BaseModel)

MAX_USAGE_AGE = timedelta(minutes=1)
"""Age up to which a measurement of the resource usage is reported."""

_TAIL_BYTES = 512 * 1024
"""Bytes at the end of the metrics file in which the last metrics are searched: an hour of a progress bar's values."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """What a queued training waits for."""

    position: int | None = None
    """The number of trainings that start before it."""
    waits_for: str | None = None
    """The training whose end it waits for."""


def report_training(deps: ApiDeps, record: TrainingRecord) -> dict[str, Any]:
    """Return the report of one training."""
    if not is_queued(record):
        return _report_or_placeholder(deps, record, _Wait())
    waits_for = report_waits_for(record, _awaited_states(deps, (record,)))
    return _report_or_placeholder(deps, record, _Wait(deps.store.get_queue_position(record.id), waits_for))


def report_trainings(deps: ApiDeps, records: Sequence[TrainingRecord]) -> list[dict[str, Any]]:
    """Return the reports of several trainings; the queue is read once for all of them."""
    has_queued = any(is_queued(record) for record in records)
    positions = {queued: position for position, queued in enumerate(deps.store.list_queue())} if has_queued else {}
    states = _awaited_states(deps, records)
    return [
        _report_or_placeholder(deps, record, _Wait(positions.get(record.id), report_waits_for(record, states)))
        for record in records
    ]


def last_metrics(path: Path) -> tuple[Metric, ...]:
    """
    Return the last metric in *path*, and after it the last ones of other names; see `last_values`.

    Only complete lines near the end of the file are read: a name without recent values is left out. Empty if the file
    does not exist or cannot be read.
    """
    try:
        with open_regular_file(path) as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return ()
    except OSError as error:
        _log_once.warning(path, "%s cannot be read (%s); responses contain no metrics", path, error.strerror)
        return ()
    return last_values(reversed(lines[:-1]), parse_metric)  # the text after the last newline is incomplete


def parse_metric(line: bytes) -> Metric | None:
    """Parse one line of a metrics file; None for an invalid line, such as one that a crash left incomplete."""
    try:
        return Metric.model_validate_json(line)
    except ValidationError:
        return None


def _awaited_states(deps: ApiDeps, records: Sequence[TrainingRecord]) -> Mapping[str, TrainingState | None]:
    awaited = {one for record in records if (one := awaited_training(record)) is not None}
    return deps.store.get_states(awaited) if awaited else {}


def _report_or_placeholder(deps: ApiDeps, record: TrainingRecord, wait: _Wait) -> dict[str, Any]:
    if record.unreadable_columns is not None:
        return unreadable_report(
            record,
            _metadata(record),
            _current_time(deps, record),
            f"columns of the database: {record.unreadable_columns}",
        )
    try:
        return _full_report(deps, record, wait)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        # Stored by another version, or damaged. The other trainings must still be listed.
        _log_once.warning(
            record.id,
            "The record of training %s cannot be read; responses show an error in its place",
            record.id,
            exc_info=error,
        )
        return unreadable_report(record, _metadata(record), _current_time(deps, record), "its definition is invalid")


def _full_report(deps: ApiDeps, record: TrainingRecord, wait: _Wait) -> dict[str, Any]:
    metadata = _metadata(record)
    entity = dict(record.definition)
    if not isinstance(entity.get("model_definition"), Mapping):
        raise ValueError("the definition has no model_definition")
    if record.stored:
        location = ResultsLocation(
            container=_results_container(record.definition), model_location=attempt_folder(record.id, record.attempt)
        )
        entity["training_results"] = {**entity.get("training_results", {}), "location": location.model_dump()}
    entity["status"] = _status(deps, record, wait).model_dump(exclude_none=True)
    to_json(entity)  # fails here for this training alone; later, the whole list would fail
    return {"metadata": metadata.model_dump(), "entity": entity}


def _metadata(record: TrainingRecord) -> Metadata:
    return Metadata(
        guid=record.id, url=f"{MODELS_PATH}/{record.id}", created_at=record.submitted_at, modified_at=record.modified_at
    )


def _status(deps: ApiDeps, record: TrainingRecord, wait: _Wait) -> TrainingStatus:
    job = JobDirectory(deps.jobs_dir / record.id)
    was_started = record.was_started
    phase = _read_job_file(job.phase, PhaseFile) if was_started else None
    stalls = _read_job_file(job.stalls, StallsFile) if was_started else None
    checkpoints = _read_job_file(job.checkpoints, CheckpointsFile) if was_started else None
    resumed_from = report_resumed_from(record, phase, checkpoints)
    data = _data_file(job, record)
    return TrainingStatus(
        state=record.state,
        submitted_at=record.submitted_at,
        running_at=record.running_at,
        finished_at=record.finished_at,
        current_at=_current_time(deps, record),
        message=f"{record.id}: {record.exit_code or ''}" if record.state.is_final else None,
        metrics=last_metrics(job.metrics) if was_started else (),
        error=ErrorReport(trace=training_trace(record), errors=(record.error,)) if record.error else None,
        phase=report_phase(record),
        queue_position=wait.position,
        gpus=record.gpus or None,
        runtime=record.provides,
        cancel_requested=True if record.cancel_requested and not record.state.is_final else None,
        isolation=record.isolation or (phase.isolation if phase and not record.state.is_final else None),
        phases=report_phases(record, phase),
        usage=_usage(job, record),
        resources=report_resources(record, _read_job_file(job.resources, ResourcesFile) if was_started else None),
        warnings=_warnings(job, record, stalls),
        stalled_seconds=stalls.seconds(record.finished_at or _current_time(deps, record)) if stalls else None,
        event_folders=_event_folders(job) if was_started else None,
        acknowledged_at=record.acknowledged_at,
        note=record.note or None,
        tags=record.tags or None,
        attempt=record.attempt,
        attempts=report_attempts(record, resumed_from),
        checkpoint=checkpoints.newest if checkpoints else None,
        resumed_from=resumed_from,
        waits_for=wait.waits_for,
        loading=data.loading if data and not record.state.is_final else None,
        data=record.data_report or (data.report if data else None),
    )


def _read_job_file(path: Path, model: type[ModelT]) -> ModelT | None:
    """Read a file that the learner wrote; None, with a warning in the log, if it cannot be read."""
    try:
        return read_job_file(path, model)
    except READ_ERRORS as error:
        _log_once.warning(path, "%s cannot be read (%s); responses leave it out", path, type(error).__name__)
        return None


def _usage(job: JobDirectory, record: TrainingRecord) -> ResourceUsage | None:
    """Return the resource usage of a training whose attempt runs; None for an old measurement."""
    if record.state is not TrainingState.RUNNING or is_queued(record):
        return None
    usage = _read_job_file(job.usage, ResourceUsage)
    # By the clock of the machine, as the learner measures, and not by that of the API's dependencies.
    return usage if usage and utc_now() - usage.at < MAX_USAGE_AGE else None


def _data_file(job: JobDirectory, record: TrainingRecord) -> DataFile | None:
    """Return data.json of the present attempt; None if the record has its content, or before the attempt begins."""
    if not record.was_started or record.data_report is not None:
        return None
    file = _read_job_file(job.data_report, DataFile)
    return file if file is not None and file.attempt == record.attempt else None


def _warnings(job: JobDirectory, record: TrainingRecord, stalls: StallsFile | None) -> tuple[str, ...] | None:
    """Return the warnings of the watchdog, and those of storing the results after the end of the attempt too."""
    is_ended = record.was_started and (record.state.is_final or is_queued(record))
    exit_file = _read_job_file(job.exit, ExitFile) if is_ended else None
    return (*(stalls.texts if stalls else ()), *(exit_file.warnings if exit_file else ())) or None


def _event_folders(job: JobDirectory) -> tuple[str, ...] | None:
    event_dirs = _read_job_file(job.event_dirs, EventDirsFile)
    return event_dirs.folders or None if event_dirs else None


def _current_time(deps: ApiDeps, record: TrainingRecord) -> datetime:
    # The clock of another process may have set the times of the record. `current_at` must not be before them.
    return max(deps.clock(), record.modified_at)


def _results_container(definition: Mapping[str, Any]) -> str:
    results = definition.get("training_results")
    if results:
        return str((results.get("target") or results["source"])["container"])
    sources = (one["source"] for one in definition["training_data"])
    return str(next(source["container"] for source in sources if "container" in source))
