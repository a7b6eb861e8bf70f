"""
The dispatcher: takes the steps that `decide` names, one thread for all trainings.

It holds the lease on its role while it acts, so of several services on one store only one does. Everything it needs to
go on after a crash lies in the store and in the job folders; stopping it stops no training.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import DlaasError, NotFound
from airflow_dlaas.service.dispatcher.decide import (
    Advance,
    Clear,
    Finish,
    GiveUp,
    Past,
    Start,
    StartAgain,
    Step,
    Stop,
    decide,
    remember,
)
from airflow_dlaas.service.dispatcher.job_directories import Workplace
from airflow_dlaas.service.dispatcher.observe import see
from airflow_dlaas.service.runners.base import Runner
from airflow_dlaas.service.store.base import Outcome, SealBroken, Store, TrainingRecord

log = logging.getLogger(__name__)

ROLE = "dispatcher"

LEASE = timedelta(seconds=10)
"""How long another service waits for one that died before it takes over. Its holder counts by `uptime`, the others by
the date, so a date that jumps may let two of them lead for a moment: every verb of the store bears that."""

BUSY_PAUSE = 0.25
"""Seconds between rounds while a training is started: how late its progress is seen at most."""

IDLE_PAUSE = 1.0
"""Seconds between rounds while nothing is started; a submit or a cancel wakes the loop at once."""

BROKEN_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds to wait after the first, second … round in a row that failed as a whole; the last one repeats."""

READ_AGAIN = 10.0
"""Seconds after which unfinished trainings are read although none has changed: a database may have been restored."""

FAILED_PAUSE = 2.0
"""Seconds to the next round at least, after one in which a single training's step failed: it is tried again, calmly."""


def utc_now() -> datetime:
    """The service's clock."""
    return datetime.now(timezone.utc)


def uptime() -> float:
    """Seconds on a clock that only ever goes forward, and goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


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
        steady: Callable[[], float] = uptime,
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
        self._steady = steady
        self._past: dict[str, Past] = {}
        self._step_failed = False
        self._entries: Sequence[TrainingRecord] = ()
        self._read_revision = -1
        self._read_at = 0.0
        self._led_at: float | None = None
        """When the lease was last given to this one, by `uptime`; None while it is another's."""
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
        tick, now = self._steady(), self._clock()
        if not self._leads(tick, now):
            return False
        self._step_failed = False
        entries = self._unfinished(tick)
        started = [entry for entry in entries if entry.started_at is not None]
        seen = see(started, self._workplace.folder, self._runner)
        self._past = {
            entry.id: remember(entry, seen[entry.id], self._past.get(entry.id, Past()), tick)
            for entry in entries
            if entry.id in seen
        }
        records = {entry.id: entry for entry in entries}
        active = bool(seen)
        for step in decide(entries, seen, self._past, inventory=self._inventory, now=now, tick=tick):
            active = True
            if not self._still_leads():
                log.warning("The lease ran out in the middle of a round; what is left of it is not done")
                break
            self._take(step, records[step.training_id])
        return active

    def _unfinished(self, tick: float) -> Sequence[TrainingRecord]:
        """
        Read the unfinished trainings, if any training has changed since they were read.

        A thousand of them take 30 ms to read, and a round comes up to four times a second.
        """
        # Before the trainings: what changes after this has a higher revision, and is read in the next round.
        revision = self._store.revision()
        if revision != self._read_revision or tick - self._read_at >= READ_AGAIN:
            self._entries = self._store.unfinished()
            self._read_revision, self._read_at = revision, tick
        return self._entries

    def _leads(self, tick: float, now: datetime) -> bool:
        """
        Take or keep the lease; renewed when half of it is over, since each renewal is a write to the disk.

        *tick* was read before *now*: a process that is frozen between the two must not count on more than it has.
        """
        if self._led_at is None or tick - self._led_at >= LEASE.total_seconds() / 2:
            led = self._store.lead(ROLE, self._holder, now, now + LEASE)
            self._led_at = tick if led else None
        return self._led_at is not None

    def _still_leads(self) -> bool:
        """
        Whether what this round saw may still be acted on.

        A round that takes long renews the lease on its way. One that slept through the lease's end (it was frozen, or
        the machine slept) is over even if nobody else came meanwhile: what it saw is old.
        """
        tick, now = self._steady(), self._clock()
        if self._led_at is None or tick - self._led_at >= LEASE.total_seconds():
            self._led_at = None
            return False
        return self._leads(tick, now)

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
        if self._led_at is None:
            return
        now = self._clock()
        try:
            self._store.lead(ROLE, self._holder, now, now)
        except Exception:
            log.exception("The dispatcher could not give its lease back; it lapses by itself in %s", LEASE)

    # -- doing ---------------------------------------------------------------

    def _take(self, step: Step, entry: TrainingRecord) -> None:
        """Take one step. A training whose step fails does not hold up the others: it is tried again next round."""
        try:
            match step:
                case Start(id_, gpus):
                    now = self._clock()
                    if self._store.book(id_, gpus, now):
                        self._launch(replace(entry, gpus=tuple(gpus), started_at=now))
                case StartAgain():
                    self._launch(entry)
                case Advance(id_, state, phase, since):
                    self._store.advance(id_, state, phase, since)
                case Stop(id_):
                    self._past[id_] = replace(self._past[id_], last_stop=self._steady())
                    if entry.handle is not None:
                        self._runner.stop([entry.handle], {entry.handle: self._workplace.folder(id_)})
                case Clear(id_):
                    self._runner.clear(self._workplace.folder(id_))
                case Finish(id_, outcome):
                    self._finish(id_, outcome)
                case GiveUp(id_, outcome):
                    self._give_up(id_, outcome)
        except Exception:
            # Whatever it is, it is this training's trouble alone; it is logged, and the step is taken again.
            self._step_failed = True
            if isinstance(step, Finish | Advance):
                self._past[entry.id] = replace(self._past.get(entry.id, Past()), release_failed=True)
            log.exception("Training %s: %s failed", entry.id, type(step).__name__)

    def _launch(self, entry: TrainingRecord) -> None:
        """Start the learner of a booked training; one that can't be started ends here, as the service's fault."""
        try:
            definition = self._store.secrets(entry.id)
        except (SealBroken, NotFound) as error:
            self._not_started(entry.id, error)
            return
        try:
            job = self._workplace.hand_over(entry, definition)
            handle = self._runner.start(job)
        except (DlaasError, OSError, ValueError) as error:
            self._not_started(entry.id, error)
            return
        # Counted before the store is asked: a database that takes no handle must not make learners without end.
        past = self._past.get(entry.id, Past())
        self._past[entry.id] = replace(past, starts=past.starts + 1, last_start=self._steady())
        self._store.started(entry.id, handle)
        log.info("Training %s started on %s", entry.id, ", ".join(entry.gpus))

    def _not_started(self, training_id: str, error: Exception) -> None:
        log.error("Training %s could not be started", training_id, exc_info=error)
        problem = ErrorItem(code="S101", message=f"The training could not be started: {error}")
        self._give_up(training_id, Outcome(state=TrainingState.ERROR, finished_at=self._clock(), error=problem))

    def _give_up(self, training_id: str, outcome: Outcome) -> None:
        """End what no learner has taken, so that none takes it later: its slots will be somebody else's."""
        if self._workplace.close(training_id, outcome):
            self._finish(training_id, outcome)
        else:
            log.info("Training %s is worked on after all", training_id)

    def _finish(self, training_id: str, outcome: Outcome) -> None:
        # First: once the end is recorded, nobody comes back for them.
        self._workplace.folder(training_id).erase_secrets()
        self._store.finish(training_id, outcome)
        why = f" ({outcome.error.code})" if outcome.error is not None else ""
        log.info("Training %s ended: %s%s", training_id, outcome.state, why)
