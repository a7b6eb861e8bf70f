"""The result of a job: state, exit code, error code and reason; and ``exit.json``, which records it."""

from __future__ import annotations

import errno
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TypeVar

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import DlaasError, InvalidBundle
from airflow_dlaas.service.job_files import JobDirectory, remove_folder, write_job_file
from airflow_dlaas.service.job_reports import ExitFile, ExitIfLostFile
from airflow_dlaas.service.learner.command_env import (
    CHECKPOINTS,
    CODE,
    DATA,
    DATA_FILES,
    HOME,
    RESTORED,
    RESULTS,
    TEMPORARY,
)
from airflow_dlaas.service.learner.command_process import CommandResult
from airflow_dlaas.service.learner.command_resources import OutOfMemory
from airflow_dlaas.service.learner.secret_mask import SecretMask
from airflow_dlaas.service.learner.time_limit import TimeLimit
from airflow_dlaas.service.learner.upload_results import UploadReport

E = TypeVar("E", bound=ExitFile)

DISK_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}

MAX_NAMED_PROGRAMS = 5
"""Names of background programs in one line of the log."""

MAX_WARNINGS = 20
"""Unstored files that a training's status and log name."""

UNSTORED_FOLDERS = (DATA, DATA_FILES, CODE, TEMPORARY, HOME, RESTORED)
"""Folders of the job directory of which nothing is stored."""

MAX_EXIT_ATTEMPTS = 5
"""Attempts to write ``exit.json`` on a full disk, one second apart."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended."""

    state: TrainingState
    exit_code: int | None = None
    code: str | None = None
    reason: str | None = None
    stored: bool = False
    """Whether the results container has at least one object of it."""
    warnings: tuple[str, ...] = ()
    """Problems that do not change the outcome: files that were not stored, each with the reason."""
    keep_results: bool = False
    """Whether the job directory holds results that were not stored."""
    was_stopped: bool = False
    """Whether the learner stopped the command: for a cancel request, a time limit or the watchdog."""


def without_secrets(result: JobResult, mask: SecretMask) -> JobResult:
    """Return *result* with masked texts: they may repeat the name of a file, which a command made of a secret."""
    reason = None if result.reason is None else mask.text(result.reason)
    return replace(result, reason=reason, warnings=tuple(map(mask.text, result.warnings)))


class StageError(Exception):
    """A stage of the job failed."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@contextmanager
def stage_errors(code: str) -> Iterator[None]:
    """Convert errors of the block to `StageError` with *code*; an invalid zip is always the author's C102."""
    try:
        yield
    except InvalidBundle as error:
        raise StageError("C102", str(error)) from error
    except (DlaasError, OSError) as error:
        raise StageError(code, describe_error(error)) from error


def describe_error(error: Exception) -> str:
    """Return *error* as the reason in a training's status."""
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return "The disk of the job directory is full"
    return str(error)


def describe_termination(command_result: CommandResult) -> Iterator[str]:
    """Describe how the command's processes were terminated, if they were."""
    if command_result.was_killed:
        yield f"The command was killed: it had not ended {command_result.grace_period:g} seconds after SIGTERM"
    elif command_result.was_stopped:
        seconds, limit = command_result.termination_seconds, command_result.grace_period
        yield f"The command ended {seconds:.1f} seconds after SIGTERM; it had {limit:g}"
    if count := len(command_result.leftover_programs):
        programs = ", ".join(sorted(set(command_result.leftover_programs))[:MAX_NAMED_PROGRAMS])
        processes = "1 process that the command had" if count == 1 else f"{count} processes that the command had"
        yield f"Ended {processes} left running in the background: {programs}"


def with_upload_report(result: JobResult, report: UploadReport, *, canceled: bool) -> JobResult:
    """
    Return *result* with the outcome of storing the results.

    A file that cannot be stored by its nature (its name, a pipe, a link out of the folders) is a warning; the command's
    result stays. A file that the store refused is an error of the service (S303), unless the training failed before.
    """
    everything = (*report.failed, *report.skipped)
    warnings = tuple(f"not stored: {one}" for one in everything[:MAX_WARNINGS])
    if len(everything) > MAX_WARNINGS:
        warnings += (f"not stored: {len(everything) - MAX_WARNINGS} more files; see store-results.log",)
    result = replace(
        result,
        stored=report.stored_count > 0,
        warnings=(*result.warnings, *warnings),
        keep_results=any(one.has_content for one in everything),
    )
    if not report.failed:
        return result
    more = f" (and {len(report.failed) - 1} more files)" if len(report.failed) > 1 else ""
    return with_upload_failure(result, f"{report.failed[0]}{more}", canceled=canceled)


def with_upload_failure(result: JobResult, reason: str, *, canceled: bool) -> JobResult:
    """Return *result* for results that were not stored; an earlier failure stays the reported one."""
    return _with_incomplete_results(result, f"the results were not stored: {reason}", canceled=canceled)


def with_upload_interrupted(result: JobResult) -> JobResult:
    """Return *result* for a learner that is lost while it stores the results: as if they were not stored."""
    reason = "storing the results was interrupted, and they may be incomplete"
    return _with_incomplete_results(result, reason, canceled=False)


def _with_incomplete_results(result: JobResult, reason: str, *, canceled: bool) -> JobResult:
    if result.state is TrainingState.COMPLETED:
        state = TrainingState.CANCELED if canceled else TrainingState.ERROR
        return replace(result, state=state, code=None if canceled else "S303", reason=reason)
    return replace(result, reason=f"{result.reason}; {reason}")


def result_of(
    command_result: CommandResult,
    limit: TimeLimit | None,
    out_of_memory: OutOfMemory | None = None,
    *,
    are_kills_counted: bool = False,
) -> JobResult:
    """
    Return the job's result for the end of its command.

    :param limit: the time that it had.
    :param out_of_memory: set if the kernel killed one of its processes because memory ran out. A command that succeeds
        nevertheless is completed, with a warning.
    :param are_kills_counted: whether the machine would have set *out_of_memory*.
    """
    if command_result.canceled:
        why = "canceled while the command ran"
        return JobResult(TrainingState.CANCELED, command_result.exit_code, reason=why, was_stopped=True)
    if command_result.stop_reason is not None:
        why = f"the watchdog stopped the command: {command_result.stop_reason}"
        return JobResult(TrainingState.ERROR, command_result.exit_code, "C203", why, was_stopped=True)
    if command_result.timed_out:
        why = f"dl_job_failed: the command was stopped after {limit}"
        return JobResult(TrainingState.ERROR, command_result.exit_code, "C201", why, was_stopped=True)
    if command_result.exit_code == 0:
        warnings = () if out_of_memory is None else (f"{out_of_memory}; the kernel killed a process of it",)
        return JobResult(TrainingState.COMPLETED, 0, warnings=warnings)
    if out_of_memory is not None:
        why = f"{out_of_memory}; the kernel killed a process of it, and it exited with {command_result.exit_code}"
        return JobResult(TrainingState.ERROR, command_result.exit_code, "C204", why)
    return JobResult(
        TrainingState.ERROR,
        command_result.exit_code,
        "C201",
        f"dl_job_failed: {_describe_exit_code(command_result.exit_code, are_kills_counted)}",
    )


def _describe_exit_code(code: int, are_kills_counted: bool) -> str:
    if code == 128 + signal.SIGKILL and not are_kills_counted:
        return "the command was killed (137), most often because memory ran out"
    try:
        return f"the command was ended by {signal.Signals(code - 128).name} ({code})"
    except ValueError:
        return f"the command exited with {code}"


def write_exit_if_lost(job: JobDirectory, result: JobResult, *, isolation: str, attempt: int) -> None:
    """
    Write ``exit-if-lost.json`` durably: the job's result if this process is lost while it stores the results.

    :raises OSError: the disk is full, or a command has made the job directory unusable.
    """
    write_job_file(job.exit_if_lost, _exit_model(ExitIfLostFile, with_upload_interrupted(result), isolation, attempt))


def write_exit(job: JobDirectory, result: JobResult, *, isolation: str | None = None, attempt: int = 1) -> None:
    """
    Write ``exit.json``, then remove the folders that only the command needed.

    Results that were not stored stay. On a full disk the folders are removed first, because ``exit.json`` is more
    important. It replaces anything that a command put at its path.
    """
    exit_file = _exit_model(ExitFile, result, isolation, attempt)
    for write_attempt in range(MAX_EXIT_ATTEMPTS):
        try:
            write_job_file(job.exit, exit_file)
            break
        except OSError:
            if write_attempt == MAX_EXIT_ATTEMPTS - 1:
                raise
            _remove_folders(job, *UNSTORED_FOLDERS)
            _clear_exit_path(job)
            time.sleep(1)
    with suppress(OSError):  # missing, or replaced by a command without a sandbox
        job.exit_if_lost.unlink()
    _remove_folders(job, *UNSTORED_FOLDERS)
    if not result.keep_results:
        _remove_folders(job, RESULTS, CHECKPOINTS)
        with suppress(OSError):  # missing; it is stored with the results
            job.data_manifest.unlink()
    for name in (RESULTS, CHECKPOINTS):
        with suppress(OSError):  # not empty
            job.subdirectory(name).rmdir()


def _exit_model(model: type[E], result: JobResult, isolation: str | None, attempt: int) -> E:
    return model(
        state=result.state,
        exit_code=result.exit_code,
        code=result.code,
        reason=result.reason,
        stored=result.stored,
        isolation=isolation,
        warnings=result.warnings,
        finished_at=datetime.now(timezone.utc),
        attempt=attempt,
        was_stopped=result.was_stopped,
    )


def _clear_exit_path(job: JobDirectory) -> None:
    """Make the path of ``exit.json`` writable again: a command without a sandbox may have changed it."""
    with suppress(OSError):
        job.path.chmod(0o700)
    if job.exit.is_dir() and not job.exit.is_symlink():
        remove_folder(job.exit)


def _remove_folders(job: JobDirectory, *names: str) -> None:
    for name in names:
        remove_folder(job.subdirectory(name))
