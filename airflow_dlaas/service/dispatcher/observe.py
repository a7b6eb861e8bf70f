"""What is to be seen of started trainings: their folders, and their learners."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.service.dispatcher.decide import Observation
from airflow_dlaas.service.job_files import (
    READ_ERRORS,
    ExitFile,
    ExitIfLostFile,
    JobDirectory,
    PhaseFile,
    ProcessIdentity,
    read_job_file,
)
from airflow_dlaas.service.process.process_info import boot_id
from airflow_dlaas.service.runners.base import Liveness, Runner
from airflow_dlaas.service.store.base import TrainingRecord

log = logging.getLogger(__name__)
_log_once = LoggedOnce(log)

ModelT = TypeVar("ModelT", bound=BaseModel)


def observe_trainings(
    trainings: Sequence[TrainingRecord], job_directory: Callable[[str], JobDirectory], runner: Runner
) -> dict[str, Observation]:
    """Look at folders first; the *runner* is asked about the rest, in one question."""
    folders = {entry.id: job_directory(entry.id) for entry in trainings}
    exits = {id_: _read_exit_file(job) for id_, job in folders.items()}
    polled_jobs = {
        entry.handle: folders[entry.id]
        for entry in trainings
        if entry.handle is not None and not isinstance(exits[entry.id], ExitFile)
    }
    liveness: Mapping[str, Liveness] = runner.poll(polled_jobs) if polled_jobs else {}
    return {
        entry.id: _observe_job(
            folders[entry.id],
            exits[entry.id],
            liveness.get(entry.handle, Liveness.UNKNOWN) if entry.handle in polled_jobs else None,
        )
        for entry in trainings
    }


def _observe_job(job: JobDirectory, exit_file: ExitFile | str | None, liveness: Liveness | None) -> Observation:
    is_claimed, rebooted, exit_if_lost = _exists(job.run), False, None
    if liveness is Liveness.GONE:
        # It may have ended between the first look at its folder and the runner's look at its process.
        exit_file = _read_exit_file(job)
        rebooted = exit_file is None and _is_from_other_boot(job)
        if not isinstance(exit_file, ExitFile):
            exit_if_lost = _read_or_none(job.exit_if_lost, ExitIfLostFile)
    return Observation(
        exit_file=exit_file if isinstance(exit_file, ExitFile) else None,
        phase_file=_read_or_none(job.phase, PhaseFile),
        liveness=liveness,
        is_claimed=is_claimed,
        has_spec=_exists(job.spec),
        is_from_earlier_boot=rebooted,
        exit_read_error=exit_file if isinstance(exit_file, str) else None,
        exit_if_lost=exit_if_lost,
    )


def _read_exit_file(job: JobDirectory) -> ExitFile | str | None:
    """Read how the job ended; the reason where what is there cannot be read."""
    try:
        return read_job_file(job.exit, ExitFile)
    except READ_ERRORS as error:
        why = _describe_error(error)
        _log_once.warning(job.exit, "%s cannot be read (%s); it counts once its learner has ended", job.exit, why)
        return why


def _read_or_none(path: Path, model: type[ModelT]) -> ModelT | None:
    """Read a mark that decides no end; one that cannot be read counts as not written."""
    try:
        return read_job_file(path, model)
    except READ_ERRORS as error:
        _log_once.warning(path, "%s cannot be read (%s); the training goes on without it", path, _describe_error(error))
        return None


def _is_from_other_boot(job: JobDirectory) -> bool:
    process = _read_or_none(job.run, ProcessIdentity)
    return process is not None and process.boot_id != boot_id()


def _exists(path: Path) -> bool:
    # Not `exists`, which follows links and takes a loop of them for nothing.
    return os.path.lexists(path)


def _describe_error(error: Exception) -> str:
    match error:
        case ValidationError():
            return "; ".join(validation_messages(error)[:3])
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return type(error).__name__
