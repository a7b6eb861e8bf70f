"""What is to be seen of started trainings: their folders, and their learners."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone

from pydantic import ValidationError

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.dispatcher.decide import Seen
from airflow_dlaas.service.jobs import Exit, JobFolder, PhaseMark, RunMark, read_mark
from airflow_dlaas.service.processes import boot_id
from airflow_dlaas.service.runners.base import Runner, Sighting
from airflow_dlaas.service.store.base import TrainingRecord

log = logging.getLogger(__name__)


def see(started: Sequence[TrainingRecord], folder: Callable[[str], JobFolder], runner: Runner) -> dict[str, Seen]:
    """Look at folders first; the *runner* is asked about the rest, in one question."""
    folders = {entry.id: folder(entry.id) for entry in started}
    exits = {id_: exit_ for id_, job in folders.items() if (exit_ := _read_exit(job)) is not None}
    running = {
        entry.handle: folders[entry.id] for entry in started if entry.handle is not None and entry.id not in exits
    }
    sightings: Mapping[str, Sighting] = runner.look(running) if running else {}
    return {
        entry.id: _seen(
            folders[entry.id],
            exits.get(entry.id),
            sightings.get(entry.handle, Sighting.UNKNOWN) if entry.handle in running else None,
        )
        for entry in started
    }


def _seen(job: JobFolder, exit_: Exit | None, sighting: Sighting | None) -> Seen:
    taken, rebooted = job.run.exists(), False
    if sighting is Sighting.GONE:
        # It may have ended between the first look at its folder and the runner's look at its process.
        exit_ = _read_exit(job)
        rebooted = exit_ is None and _is_of_another_boot(job)
    return Seen(
        exit=exit_,
        phase=_read_phase(job),
        sighting=sighting,
        taken=taken,
        handed_over=job.spec.exists(),
        rebooted=rebooted,
    )


def _read_exit(job: JobFolder) -> Exit | None:
    try:
        return read_mark(job.exit, Exit)
    except ValidationError:
        log.exception("%s is not readable", job.exit)
        reason = "What the learner left behind (exit.json) can't be read"
        return Exit(state=TrainingState.ERROR, code="S100", reason=reason, finished_at=datetime.now(timezone.utc))


def _read_phase(job: JobFolder) -> PhaseMark | None:
    try:
        return read_mark(job.phase, PhaseMark)
    except ValidationError:
        log.exception("%s is not readable", job.phase)
        return None


def _is_of_another_boot(job: JobFolder) -> bool:
    try:
        mark = read_mark(job.run, RunMark)
    except ValidationError:
        return False
    return mark is not None and mark.boot_id != boot_id()
