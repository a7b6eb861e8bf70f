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
from airflow_dlaas.service.job_files import Exit, ExitIfLost, JobFolder, remove_folder, write_mark
from airflow_dlaas.service.learner.command_env import CHECKPOINTS, CODE, DATA, HOME, RESULTS, TEMPORARY
from airflow_dlaas.service.learner.command_process import Ended
from airflow_dlaas.service.learner.upload_results import Stored

E = TypeVar("E", bound=Exit)

FULL = {errno.ENOSPC, errno.EDQUOT}

PROGRAMS = 5
"""Names of background programs in one line of the log."""

WARNINGS = 20
"""Files named in a training's status and log."""

LAST_ATTEMPTS = 5
"""How often a disk without room is asked again to take the last mark, a second apart."""


@dataclass(frozen=True, slots=True)
class Ending:
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


class Setback(Exception):
    """A step on the way failed."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@contextmanager
def step(code: str) -> Iterator[None]:
    """Whatever fails inside is a `Setback` with *code*; an unusable zip is the author's C102 wherever it turns up."""
    try:
        yield
    except InvalidBundle as error:
        raise Setback("C102", str(error)) from error
    except (DlaasError, OSError) as error:
        raise Setback(code, put(error)) from error


def put(error: Exception) -> str:
    """Put *error* for whoever reads why a training ended."""
    if isinstance(error, OSError) and error.errno in FULL:
        return "The disk that holds the job's folder is full"
    return str(error)


def remarks(ended: Ended) -> Iterator[str]:
    """Describe how the command's processes were ended, if any were."""
    if ended.cut_off:
        yield f"The command was killed: it had not ended {ended.grace:g} seconds after SIGTERM"
    elif ended.canceled or ended.overdue:
        yield f"The command ended {ended.took:.1f} seconds after SIGTERM; it had {ended.grace:g}"
    if count := len(ended.left_running):
        programs = ", ".join(sorted(set(ended.left_running))[:PROGRAMS])
        processes = "1 process that the command had" if count == 1 else f"{count} processes that the command had"
        yield f"Ended {processes} left running in the background: {programs}"


def account(ending: Ending, stored: Stored, *, canceled: bool) -> Ending:
    """
    Add to *ending* what became of the results.

    What cannot be stored by its nature (its name, a pipe, a link out of the folders) is a warning: the command's end
    stands. What the store did not take is the service's S303, unless the training has failed already.
    """
    everything = (*stored.refused, *stored.left_out)
    warnings = tuple(f"not stored: {one}" for one in everything[:WARNINGS])
    if len(everything) > WARNINGS:
        warnings += (f"not stored: {len(everything) - WARNINGS} more files; see store-results.log",)
    ending = replace(
        ending,
        stored=stored.files > 0,
        warnings=warnings,
        keep_results=any(one.has_content for one in everything),
    )
    if not stored.refused:
        return ending
    more = f" (and {len(stored.refused) - 1} more files)" if len(stored.refused) > 1 else ""
    return not_stored(ending, f"{stored.refused[0]}{more}", canceled=canceled)


def not_stored(ending: Ending, why: str, *, canceled: bool) -> Ending:
    """Return the ending of a job whose results were not stored: an earlier failure stays the reported one."""
    return _with_incomplete_results(ending, f"the results were not stored: {why}", canceled=canceled)


def interrupted(ending: Ending) -> Ending:
    """Return the ending of a job whose learner is lost while it stores the results: as if they were not stored."""
    reason = "storing the results was interrupted, and they may be incomplete"
    return _with_incomplete_results(ending, reason, canceled=False)


def _with_incomplete_results(ending: Ending, reason: str, *, canceled: bool) -> Ending:
    if ending.state is TrainingState.COMPLETED:
        state = TrainingState.CANCELED if canceled else TrainingState.ERROR
        return replace(ending, state=state, code=None if canceled else "S303", reason=reason)
    return replace(ending, reason=f"{ending.reason}; {reason}")


def judge(ended: Ended, timeout: float | None) -> Ending:
    """Say what the command's end means."""
    if ended.canceled:
        return Ending(TrainingState.CANCELED, ended.exit_code, reason="canceled while the command ran")
    if ended.overdue:
        why = f"dl_job_failed: the command was stopped after {timeout:g} seconds, the longest it may take here"
        return Ending(TrainingState.ERROR, ended.exit_code, "C201", why)
    if ended.exit_code == 0:
        return Ending(TrainingState.COMPLETED, 0)
    return Ending(TrainingState.ERROR, ended.exit_code, "C201", f"dl_job_failed: {_put_code(ended.exit_code)}")


def _put_code(code: int) -> str:
    if code == 128 + signal.SIGKILL:
        return "the command was killed (137): most often, the machine's memory had run out"
    try:
        return f"the command was ended by {signal.Signals(code - 128).name} ({code})"
    except ValueError:
        return f"the command exited with {code}"


def leave_exit_if_lost(job: JobFolder, ending: Ending, *, isolation: str) -> None:
    """
    Write down durably how the job ends if this process is lost while it stores the results.

    :raises OSError: the disk is full, or a command has made the job's folder unusable.
    """
    write_mark(job.exit_if_lost, _exit(ExitIfLost, interrupted(ending), isolation).model_dump_json())


def leave(job: JobFolder, ending: Ending, *, isolation: str | None = None) -> None:
    """
    Write the last mark, then remove what only the command needed.

    Results that could not be stored stay. On a full disk the order is the other way round: the mark matters most. So it
    replaces whatever a command may have put in its place.
    """
    mark = _exit(Exit, ending, isolation).model_dump_json()
    for attempt in range(LAST_ATTEMPTS):
        try:
            write_mark(job.exit, mark)
            break
        except OSError:
            if attempt == LAST_ATTEMPTS - 1:
                raise
            _clean(job, DATA, CODE, TEMPORARY, HOME)
            _make_way(job)
            time.sleep(1)
    with suppress(OSError):  # it is not there, or a command without a sandbox has put something in its place
        job.exit_if_lost.unlink()
    _clean(job, DATA, CODE, TEMPORARY, HOME)
    if not ending.keep_results:
        _clean(job, RESULTS, CHECKPOINTS)
    for name in (RESULTS, CHECKPOINTS):
        with suppress(OSError):  # something is in it
            job.folder(name).rmdir()


def _exit(kind: type[E], ending: Ending, isolation: str | None) -> E:
    return kind(
        state=ending.state,
        exit_code=ending.exit_code,
        code=ending.code,
        reason=ending.reason,
        stored=ending.stored,
        isolation=isolation,
        warnings=ending.warnings,
        finished_at=datetime.now(timezone.utc),
    )


def _make_way(job: JobFolder) -> None:
    """Undo what a command without a sandbox can do to the place of the last mark."""
    with suppress(OSError):
        job.path.chmod(0o700)
    if job.exit.is_dir() and not job.exit.is_symlink():
        remove_folder(job.exit)


def _clean(job: JobFolder, *names: str) -> None:
    for name in names:
        remove_folder(job.folder(name))
