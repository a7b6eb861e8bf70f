"""Observing started trainings: their job directories, and the liveness of their learners."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.service.dispatcher.memory import Observation
from airflow_dlaas.service.job_attempts import needs_preparation
from airflow_dlaas.service.job_files import READ_ERRORS, JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import (
    CheckpointsFile,
    DataFile,
    ExitFile,
    ExitIfLostFile,
    PhaseFile,
    ProcessIdentity,
)
from airflow_dlaas.service.process.process_info import boot_id
from airflow_dlaas.service.runners.base import Liveness, Runner
from airflow_dlaas.service.stall_report import StallsFile
from airflow_dlaas.service.store.records import TrainingRecord

log = logging.getLogger(__name__)
_log_once = LoggedOnce(log)

ModelT = TypeVar("ModelT", bound=BaseModel)
FileT = TypeVar("FileT", PhaseFile, ExitFile, ExitIfLostFile, DataFile)


def observe_trainings(
    trainings: Sequence[TrainingRecord], job_directory: Callable[[str], JobDirectory], runner: Runner
) -> dict[str, Observation]:
    """
    Return what is observed of each of *trainings*, by id.

    Job directories are read first. Learners are polled afterwards, in one call of *runner*.

    Files of an earlier attempt count as missing: its learner can neither end nor advance the present one.
    """
    jobs = {entry.id: job_directory(entry.id) for entry in trainings}
    exits = {entry.id: _read_exit_file(jobs[entry.id], entry.attempt) for entry in trainings}
    polled_jobs = {entry.handle: jobs[entry.id] for entry in trainings if entry.handle is not None}
    liveness: Mapping[str, Liveness] = runner.poll(polled_jobs) if polled_jobs else {}
    return {
        entry.id: _observe_job(
            jobs[entry.id],
            entry.attempt,
            exits[entry.id],
            liveness.get(entry.handle, Liveness.UNKNOWN) if entry.handle in polled_jobs else None,
        )
        for entry in trainings
    }


def _observe_job(
    job: JobDirectory, attempt: int, exit_file: ExitFile | str | None, liveness: Liveness | None
) -> Observation:
    is_prepared = not needs_preparation(job, attempt)
    is_claimed, is_from_earlier_boot, exit_if_lost = is_prepared and job.is_claimed, False, None
    if liveness is Liveness.GONE:
        # The learner may have ended between the first read of its directory and the poll of its process.
        exit_file = _read_exit_file(job, attempt)
        is_from_earlier_boot = exit_file is None and _is_from_other_boot(job)
        if not isinstance(exit_file, ExitFile):
            exit_if_lost = _of_attempt(_read_or_none(job.exit_if_lost, ExitIfLostFile), attempt)
    may_have_ended = exit_file is not None or liveness is Liveness.GONE
    checkpoints = _read_or_none(job.checkpoints, CheckpointsFile) if may_have_ended else None
    data = _of_attempt(_read_or_none(job.data_report, DataFile), attempt) if may_have_ended else None
    return Observation(
        exit_file=exit_file if isinstance(exit_file, ExitFile) else None,
        phase_file=_of_attempt(_read_or_none(job.phase, PhaseFile), attempt),
        liveness=liveness,
        is_claimed=is_claimed,
        # `exists` follows links, and counts a loop of links as nothing
        has_spec=is_prepared and os.path.lexists(job.spec),
        is_from_earlier_boot=is_from_earlier_boot,
        exit_read_error=exit_file if isinstance(exit_file, str) else None,
        exit_if_lost=exit_if_lost,
        stalls=_read_or_none(job.stalls, StallsFile) if is_prepared else None,
        resumed_from=checkpoints.resumed_from if checkpoints is not None else None,
        data_report=data.report if data is not None else None,
    )


def _of_attempt(file: FileT | None, attempt: int) -> FileT | None:
    return file if file is not None and file.attempt == attempt else None


def _read_exit_file(job: JobDirectory, attempt: int) -> ExitFile | str | None:
    """Read exit.json of *attempt*; return the reason as text if it exists and cannot be read."""
    try:
        return _of_attempt(read_job_file(job.exit, ExitFile), attempt)
    except READ_ERRORS as error:
        if needs_preparation(job, attempt):
            return None
        why = _describe_error(error)
        _log_once.warning(job.exit, "%s cannot be read (%s); it is ignored until the learner has ended", job.exit, why)
        return why


def _read_or_none(path: Path, model: type[ModelT]) -> ModelT | None:
    """Read a file that decides no outcome; None if it does not exist or cannot be read."""
    try:
        return read_job_file(path, model)
    except READ_ERRORS as error:
        _log_once.warning(
            path, "%s cannot be read (%s); the training continues without it", path, _describe_error(error)
        )
        return None


def _is_from_other_boot(job: JobDirectory) -> bool:
    process = _read_or_none(job.run, ProcessIdentity)
    return process is not None and process.boot_id != boot_id()


def _describe_error(error: Exception) -> str:
    match error:
        case ValidationError():
            return "; ".join(validation_messages(error)[:3])
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return type(error).__name__
