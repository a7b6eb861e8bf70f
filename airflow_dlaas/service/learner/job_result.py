"""How a job ends, in words and codes, and the mark that says so."""

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
from airflow_dlaas.service.job_files import ExitFile, ExitIfLostFile, JobDirectory, remove_folder, write_text_atomic
from airflow_dlaas.service.learner.command_env import CHECKPOINTS, CODE, DATA, HOME, RESULTS, TEMPORARY
from airflow_dlaas.service.learner.command_process import CommandResult
from airflow_dlaas.service.learner.upload_results import UploadReport

E = TypeVar("E", bound=ExitFile)

DISK_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}

MAX_NAMED_PROGRAMS = 5
"""Names of background programs in one line of the log."""

MAX_WARNINGS = 20
"""Files named in a training's status and log."""

MAX_EXIT_ATTEMPTS = 5
"""How often a disk without room is asked again to take the last mark, a second apart."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """How the work ended, before anything of it was stored."""

    state: TrainingState
    exit_code: int | None = None
    code: str | None = None
    reason: str | None = None
    stored: bool = False
    """Whether anything of it lies in the results container."""
    warnings: tuple[str, ...] = ()
    """Files that are not stored, each with the reason."""
    keep_results: bool = False
    """Whether the job's folder has results that are nowhere else."""


class StageError(Exception):
    """A step on the way failed."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@contextmanager
def stage_errors(code: str) -> Iterator[None]:
    """Whatever fails inside is a `StageError` with *code*; an unusable zip is the author's C102 wherever it turns up."""
    try:
        yield
    except InvalidBundle as error:
        raise StageError("C102", str(error)) from error
    except (DlaasError, OSError) as error:
        raise StageError(code, describe_error(error)) from error


def describe_error(error: Exception) -> str:
    """Put *error* for whoever reads why a training ended."""
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return "The disk that holds the job's folder is full"
    return str(error)


def describe_termination(command_result: CommandResult) -> Iterator[str]:
    """Describe how the command's processes were ended, if any were."""
    if command_result.was_killed:
        yield f"The command was killed: it had not ended {command_result.grace_period:g} seconds after SIGTERM"
    elif command_result.canceled or command_result.timed_out:
        yield f"The command ended {command_result.termination_seconds:.1f} seconds after SIGTERM; it had {command_result.grace_period:g}"
    if count := len(command_result.leftover_programs):
        programs = ", ".join(sorted(set(command_result.leftover_programs))[:MAX_NAMED_PROGRAMS])
        processes = "1 process that the command had" if count == 1 else f"{count} processes that the command had"
        yield f"Ended {processes} left running in the background: {programs}"


def with_upload_report(result: JobResult, report: UploadReport, *, canceled: bool) -> JobResult:
    """
    Add to *result* what became of the results.

    What cannot be stored by its nature (its name, a pipe, a link out of the folders) is a warning: the command's end
    stands. What the store did not take is the service's S303, unless the training has failed already.
    """
    everything = (*report.failed, *report.skipped)
    warnings = tuple(f"not stored: {one}" for one in everything[:MAX_WARNINGS])
    if len(everything) > MAX_WARNINGS:
        warnings += (f"not stored: {len(everything) - MAX_WARNINGS} more files; see store-results.log",)
    result = replace(
        result,
        stored=report.stored_count > 0,
        warnings=warnings,
        keep_results=any(one.has_content for one in everything),
    )
    if not report.failed:
        return result
    more = f" (and {len(report.failed) - 1} more files)" if len(report.failed) > 1 else ""
    return with_upload_failure(result, f"{report.failed[0]}{more}", canceled=canceled)


def with_upload_failure(result: JobResult, reason: str, *, canceled: bool) -> JobResult:
    """Return the ending of a job whose results were not stored: an earlier failure stays the reported one."""
    return _with_incomplete_results(result, f"the results were not stored: {reason}", canceled=canceled)


def with_upload_interrupted(result: JobResult) -> JobResult:
    """Return the ending of a job whose learner is lost while it stores the results: as if they were not stored."""
    reason = "storing the results was interrupted, and they may be incomplete"
    return _with_incomplete_results(result, reason, canceled=False)


def _with_incomplete_results(result: JobResult, reason: str, *, canceled: bool) -> JobResult:
    if result.state is TrainingState.COMPLETED:
        state = TrainingState.CANCELED if canceled else TrainingState.ERROR
        return replace(result, state=state, code=None if canceled else "S303", reason=reason)
    return replace(result, reason=f"{result.reason}; {reason}")


def result_of(command_result: CommandResult, timeout: float | None) -> JobResult:
    """Say what the command's end means."""
    if command_result.canceled:
        return JobResult(TrainingState.CANCELED, command_result.exit_code, reason="canceled while the command ran")
    if command_result.timed_out:
        why = f"dl_job_failed: the command was stopped after {timeout:g} seconds, the longest it may take here"
        return JobResult(TrainingState.ERROR, command_result.exit_code, "C201", why)
    if command_result.exit_code == 0:
        return JobResult(TrainingState.COMPLETED, 0)
    return JobResult(
        TrainingState.ERROR,
        command_result.exit_code,
        "C201",
        f"dl_job_failed: {_describe_exit_code(command_result.exit_code)}",
    )


def _describe_exit_code(code: int) -> str:
    if code == 128 + signal.SIGKILL:
        return "the command was killed (137): most often, the machine's memory had run out"
    try:
        return f"the command was ended by {signal.Signals(code - 128).name} ({code})"
    except ValueError:
        return f"the command exited with {code}"


def write_exit_if_lost(job: JobDirectory, result: JobResult, *, isolation: str) -> None:
    """
    Write down durably how the job ends if this process is lost while it stores the results.

    :raises OSError: the disk is full, or a command has made the job's folder unusable.
    """
    write_text_atomic(
        job.exit_if_lost, _exit_model(ExitIfLostFile, with_upload_interrupted(result), isolation).model_dump_json()
    )


def write_exit(job: JobDirectory, result: JobResult, *, isolation: str | None = None) -> None:
    """
    Write the last mark, then remove what only the command needed.

    Results that could not be stored stay. On a full disk the order is the other way round: the mark matters most. So it
    replaces whatever a command may have put in its place.
    """
    mark = _exit_model(ExitFile, result, isolation).model_dump_json()
    for attempt in range(MAX_EXIT_ATTEMPTS):
        try:
            write_text_atomic(job.exit, mark)
            break
        except OSError:
            if attempt == MAX_EXIT_ATTEMPTS - 1:
                raise
            _remove_folders(job, DATA, CODE, TEMPORARY, HOME)
            _clear_exit_path(job)
            time.sleep(1)
    with suppress(OSError):  # it is not there, or a command without a sandbox has put something in its place
        job.exit_if_lost.unlink()
    _remove_folders(job, DATA, CODE, TEMPORARY, HOME)
    if not result.keep_results:
        _remove_folders(job, RESULTS, CHECKPOINTS)
    for name in (RESULTS, CHECKPOINTS):
        with suppress(OSError):  # something is in it
            job.subdirectory(name).rmdir()


def _exit_model(model: type[E], result: JobResult, isolation: str | None) -> E:
    return model(
        state=result.state,
        exit_code=result.exit_code,
        code=result.code,
        reason=result.reason,
        stored=result.stored,
        isolation=isolation,
        warnings=result.warnings,
        finished_at=datetime.now(timezone.utc),
    )


def _clear_exit_path(job: JobDirectory) -> None:
    """Undo what a command without a sandbox can do to the place of the last mark."""
    with suppress(OSError):
        job.path.chmod(0o700)
    if job.exit.is_dir() and not job.exit.is_symlink():
        remove_folder(job.exit)


def _remove_folders(job: JobDirectory, *names: str) -> None:
    for name in names:
        remove_folder(job.subdirectory(name))
