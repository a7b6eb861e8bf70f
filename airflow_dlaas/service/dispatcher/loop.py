"""
The dispatcher: takes the steps that `decide` names, one thread for all trainings.

It holds the lease on its role while it acts, so of several services on one store only one does. Everything it needs to
go on after a crash lies in the store and in the job folders; stopping it stops no training.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from pydantic import ValidationError

from airflow_dlaas.contract.problem import ProblemError
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.errors import DlaasError
from airflow_dlaas.service.dispatcher.decide import (
    Advance,
    Clear,
    Finish,
    Past,
    Seen,
    Start,
    StartAgain,
    Step,
    Stop,
    decide,
    remember,
)
from airflow_dlaas.service.dispatcher.handover import Workplace
from airflow_dlaas.service.jobs import Exit, JobFolder, PhaseMark, RunMark, read_mark
from airflow_dlaas.service.processes import boot_id
from airflow_dlaas.service.runners.base import Runner, Sighting
from airflow_dlaas.service.store.base import Outcome, Store, TrainingRecord

log = logging.getLogger(__name__)

ROLE = "dispatcher"

LEASE = timedelta(seconds=10)
"""How long another service waits for one that died before it takes over."""

BUSY_PAUSE = 0.25
"""Seconds between rounds while a training is started: how late its progress is seen at most."""

IDLE_PAUSE = 1.0
"""Seconds between rounds while nothing is started; a submit or a cancel wakes the loop at once."""

BROKEN_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds to wait after the first, second … round in a row that failed as a whole; the last one repeats."""

FAILED_PAUSE = 2.0
"""Seconds to the next round at least, after one in which a single training's step failed: it is tried again, calmly."""


def utc_now() -> datetime:
    """The service's clock."""
    return datetime.now(timezone.utc)


class Dispatcher:
    """Starts, follows and ends trainings. Made idle; `start` and `stop` once each."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        workplace: Workplace,
        *,
        inventory: Sequence[str],
        holder: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """
        Join store and runner.

        *holder* names this service in the lease. It is the same after a restart, so that nobody waits for a lease that
        the same service left behind when it was killed.
        """
        self._store = store
        self._runner = runner
        self._workplace = workplace
        self._inventory = tuple(inventory)
        self._holder = holder
        self._clock = clock
        self._past: dict[str, Past] = {}
        self._step_failed = False
        self._leads_until: datetime | None = None
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="dispatcher")
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be something to do. Any thread; returns at once."""
        self._awake.set()

    def stop(self) -> None:
        """End after the step under way, and give the lease back. Learners live on."""
        self._stopping.set()
        self._awake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def running(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def round(self) -> bool:
        """Bring everything up to date once; whether a training is started. Does nothing where another one leads."""
        now = self._clock()
        if not self._leads(now):
            return False
        self._step_failed = False
        entries = self._store.unfinished()
        seen = self._see([entry for entry in entries if entry.started_at is not None])
        self._past = {
            entry.id: remember(entry, seen[entry.id], self._past.get(entry.id, Past()), now)
            for entry in entries
            if entry.id in seen
        }
        records = {entry.id: entry for entry in entries}
        active = bool(seen)
        for step in decide(entries, seen, self._past, inventory=self._inventory, now=now):
            active = True
            self._take(step, records[step.training_id])
        return active

    def _leads(self, now: datetime) -> bool:
        """Take or keep the lease; renewed when half of it is over, since each renewal is a write to the disk."""
        if self._leads_until is None or self._leads_until - now < LEASE / 2:
            led = self._store.lead(ROLE, self._holder, now, now + LEASE)
            self._leads_until = now + LEASE if led else None
        return self._leads_until is not None

    # -- the thread ----------------------------------------------------------

    def _run(self) -> None:
        broken = 0
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                pause = BUSY_PAUSE if self.round() else IDLE_PAUSE
                broken = 0
                if self._step_failed:
                    pause = FAILED_PAUSE
            except Exception:
                # The last line: whatever it is (the database is away, the disk is full), trainings run on meanwhile.
                pause = BROKEN_PAUSES[min(broken, len(BROKEN_PAUSES) - 1)]
                broken += 1
                log.exception("The dispatcher could not do its round; trying again in %.1f s", pause)
                self._stopping.wait(pause)
                continue
            self._awake.wait(pause)
        self._resign()

    def _resign(self) -> None:
        if self._leads_until is None:
            return
        now = self._clock()
        try:
            self._store.lead(ROLE, self._holder, now, now)
        except Exception:
            log.exception("The dispatcher could not give its lease back; it lapses by itself in %s", LEASE)

    # -- seeing --------------------------------------------------------------

    def _see(self, started: Sequence[TrainingRecord]) -> dict[str, Seen]:
        """Look at folders first; the runner is asked about the rest, in one question."""
        folders = {entry.id: self._workplace.folder(entry.id) for entry in started}
        exits = {id_: exit_ for id_, job in folders.items() if (exit_ := _read_exit(job)) is not None}
        running = {
            entry.handle: folders[entry.id] for entry in started if entry.handle is not None and entry.id not in exits
        }
        sightings: Mapping[str, Sighting] = self._runner.look(running) if running else {}
        return {
            entry.id: self._seen(
                folders[entry.id],
                exits.get(entry.id),
                sightings.get(entry.handle, Sighting.UNKNOWN) if entry.handle in running else None,
            )
            for entry in started
        }

    def _seen(self, job: JobFolder, exit_: Exit | None, sighting: Sighting | None) -> Seen:
        rebooted = False
        if sighting is Sighting.GONE:
            # It may have ended between the first look at its folder and the runner's look at its process.
            exit_ = _read_exit(job)
            rebooted = exit_ is None and _is_of_another_boot(job)
        return Seen(exit=exit_, phase=_read_phase(job), sighting=sighting, rebooted=rebooted)

    # -- doing ---------------------------------------------------------------

    def _take(self, step: Step, entry: TrainingRecord) -> None:
        """Take one step. A training whose step fails does not hold up the others: it is tried again next round."""
        try:
            match step:
                case Start(id_, gpus):
                    now = self._clock()
                    if self._store.book(id_, gpus, now):
                        self._launch(replace(entry, gpus=tuple(gpus), started_at=now))
                case StartAgain(id_):
                    past = self._past[id_]
                    self._past[id_] = replace(past, starts=past.starts + 1, last_start=self._clock())
                    self._launch(entry)
                case Advance(id_, state, phase, since):
                    self._store.advance(id_, state, phase, since)
                case Stop(id_):
                    self._past[id_] = replace(self._past[id_], last_stop=self._clock())
                    if entry.handle is not None:
                        self._runner.stop([entry.handle], {entry.handle: self._workplace.folder(id_)})
                case Clear(id_):
                    self._runner.clear(self._workplace.folder(id_))
                case Finish(id_, outcome):
                    self._finish(id_, outcome)
        except (DlaasError, OSError, ValueError):
            self._step_failed = True
            log.exception("Training %s: %s failed", entry.id, type(step).__name__)

    def _launch(self, entry: TrainingRecord) -> None:
        """Start the learner of a booked training; one that can't be started ends here, as the service's fault."""
        definition = self._store.secrets(entry.id)
        try:
            job = self._workplace.hand_over(entry, definition)
            handle = self._runner.start(job)
        except (DlaasError, OSError) as error:
            log.exception("Training %s could not be started", entry.id)
            problem = ProblemError(code="S101", message=f"The training could not be started: {error}")
            self._finish(entry.id, Outcome(state=TrainingState.ERROR, finished_at=self._clock(), error=problem))
            return
        self._store.started(entry.id, handle)
        log.info("Training %s started on %s", entry.id, ", ".join(entry.gpus))

    def _finish(self, training_id: str, outcome: Outcome) -> None:
        self._store.finish(training_id, outcome)
        # Only there where no learner ever came to read it.
        self._workplace.folder(training_id).secrets.unlink(missing_ok=True)
        why = f" ({outcome.error.code})" if outcome.error is not None else ""
        log.info("Training %s ended: %s%s", training_id, outcome.state, why)


def _read_exit(job: JobFolder) -> Exit | None:
    try:
        return read_mark(job.exit, Exit)
    except ValidationError:
        log.exception("%s is not readable", job.exit)
        reason = "What the learner left behind (exit.json) can't be read"
        return Exit(state=TrainingState.ERROR, code="S100", reason=reason, finished_at=utc_now())


def _read_phase(job: JobFolder) -> PhaseMark | None:
    try:
        return read_mark(job.phase, PhaseMark)
    except ValidationError:
        log.exception("%s is not readable", job.phase)
        return None


def _is_of_another_boot(job: JobFolder) -> bool:
    mark = read_mark(job.run, RunMark)
    return mark is not None and mark.boot_id != boot_id()
