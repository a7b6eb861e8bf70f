"""What is to be seen of started trainings: their folders, and their learners."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas.contract.base import validation_messages
from airflow_dlaas.service.dispatcher.decide import Seen
from airflow_dlaas.service.job_files import UNREADABLE, Exit, ExitIfLost, JobFolder, PhaseMark, RunMark, read_mark
from airflow_dlaas.service.process.process_info import boot_id
from airflow_dlaas.service.runners.base import Runner, Sighting
from airflow_dlaas.service.store.base import TrainingRecord

log = logging.getLogger(__name__)
_damaged = LoggedOnce(log)

M = TypeVar("M", bound=BaseModel)


def see(started: Sequence[TrainingRecord], folder: Callable[[str], JobFolder], runner: Runner) -> dict[str, Seen]:
    """Look at folders first; the *runner* is asked about the rest, in one question."""
    folders = {entry.id: folder(entry.id) for entry in started}
    exits = {id_: _read_exit(job) for id_, job in folders.items()}
    running = {
        entry.handle: folders[entry.id]
        for entry in started
        if entry.handle is not None and not isinstance(exits[entry.id], Exit)
    }
    sightings: Mapping[str, Sighting] = runner.look(running) if running else {}
    return {
        entry.id: _seen(
            folders[entry.id],
            exits[entry.id],
            sightings.get(entry.handle, Sighting.UNKNOWN) if entry.handle in running else None,
        )
        for entry in started
    }


def _seen(job: JobFolder, exit_: Exit | str | None, sighting: Sighting | None) -> Seen:
    taken, rebooted, exit_if_lost = _is_there(job.run), False, None
    if sighting is Sighting.GONE:
        # It may have ended between the first look at its folder and the runner's look at its process.
        exit_ = _read_exit(job)
        rebooted = exit_ is None and _is_of_another_boot(job)
        if not isinstance(exit_, Exit):
            exit_if_lost = _read(job.exit_if_lost, ExitIfLost)
    return Seen(
        exit=exit_ if isinstance(exit_, Exit) else None,
        phase=_read(job.phase, PhaseMark),
        sighting=sighting,
        taken=taken,
        handed_over=_is_there(job.spec),
        rebooted=rebooted,
        exit_damage=exit_ if isinstance(exit_, str) else None,
        exit_if_lost=exit_if_lost,
    )


def _read_exit(job: JobFolder) -> Exit | str | None:
    """Read how the job ended; the reason where what is there cannot be read."""
    try:
        return read_mark(job.exit, Exit)
    except UNREADABLE as error:
        why = _why(error)
        _damaged.warning(job.exit, "%s cannot be read (%s); it counts once its learner has ended", job.exit, why)
        return why


def _read(path: Path, kind: type[M]) -> M | None:
    """Read a mark that decides no end; one that cannot be read counts as not written."""
    try:
        return read_mark(path, kind)
    except UNREADABLE as error:
        _damaged.warning(path, "%s cannot be read (%s); the training goes on without it", path, _why(error))
        return None


def _is_of_another_boot(job: JobFolder) -> bool:
    mark = _read(job.run, RunMark)
    return mark is not None and mark.boot_id != boot_id()


def _is_there(path: Path) -> bool:
    # Not `exists`, which follows links and takes a loop of them for nothing.
    return os.path.lexists(path)


def _why(error: Exception) -> str:
    match error:
        case ValidationError():
            return "; ".join(validation_messages(error)[:3])
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return type(error).__name__
