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
from datetime import datetime, timedelta

from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import DlaasError, NotFound
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.dispatcher.decide import (
    Abandon,
    Action,
    DispatcherMemory,
    Finish,
    KillLeftovers,
    RecordProgress,
    Restart,
    Start,
    Stop,
    decide,
    update_memory,
)
from airflow_dlaas.service.dispatcher.job_directories import JobDirectories
from airflow_dlaas.service.dispatcher.observe import observe_trainings
from airflow_dlaas.service.runners.base import Runner
from airflow_dlaas.service.store.base import DecryptionError, Store, TrainingOutcome, TrainingRecord

log = logging.getLogger(__name__)

LEASE_ROLE = "dispatcher"

LEASE_DURATION = timedelta(seconds=10)
"""How long another service waits for one that died before it takes over. Its holder counts by `uptime`, the others by
the date, so a date that jumps may let two of them lead for a moment: every verb of the store bears that."""

BUSY_INTERVAL = 0.25
"""Seconds between rounds while a training is started: how late its progress is seen at most."""

IDLE_INTERVAL = 1.0
"""Seconds between rounds while nothing is started; a submit or a cancel wakes the loop at once."""

ERROR_BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds to wait after the first, second … round in a row that failed as a whole; the last one repeats."""

RELOAD_INTERVAL = 10.0
"""Seconds after which unfinished trainings are read although none has changed: a database may have been restored."""

ACTION_RETRY_INTERVAL = 2.0
"""Seconds to the next round at least, after one in which a single training's step failed: it is tried again, calmly."""


def uptime() -> float:
    """Seconds on a clock that only ever goes forward, and goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Dispatcher:
    """Starts, follows and ends trainings. Made idle; `start` and `stop` once each."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        job_directories: JobDirectories,
        *,
        slots: Sequence[str],
        lease_holder: str,
        clock: Callable[[], datetime] = utc_now,
        monotonic_clock: Callable[[], float] = uptime,
    ) -> None:
        """
        Join store and runner.

        *lease_holder* names this service in the lease. It is the same after a restart, so that nobody waits for a lease that
        the same service left behind when it was killed.
        """
        self._store = store
        self._runner = runner
        self._job_directories = job_directories
        self._slots = tuple(slots)
        self._lease_holder = lease_holder
        self._clock = clock
        self._monotonic_clock = monotonic_clock
        self._memories: dict[str, DispatcherMemory] = {}
        self._has_failed_action = False
        self._trainings: Sequence[TrainingRecord] = ()
        self._read_revision = -1
        self._read_at = 0.0
        self._lease_renewed_at: float | None = None
        """When the lease was last given to this one, by `uptime`; None while it is another's."""
        self._wakeup = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._run_loop, name="dispatcher")
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be something to do. Any thread; returns at once."""
        self._wakeup.set()

    def stop(self) -> None:
        """End after the step under way, and give the lease back. Learners live on."""
        self._stopping.set()
        self._wakeup.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def is_running(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def run_once(self) -> bool:
        """Bring everything up to date once; whether a training is started. Does nothing where another one leads."""
        monotonic_now, now = self._monotonic_clock(), self._clock()
        if not self._acquire_lease(monotonic_now, now):
            return False
        self._has_failed_action = False
        trainings = self._load_unfinished(monotonic_now)
        started = [training for training in trainings if training.started_at is not None]
        observations = observe_trainings(started, self._job_directories.job_directory, self._runner)
        self._memories = {
            entry.id: update_memory(
                entry, observations[entry.id], self._memories.get(entry.id, DispatcherMemory()), monotonic_now
            )
            for entry in trainings
            if entry.id in observations
        }
        trainings_by_id = {entry.id: entry for entry in trainings}
        has_work = bool(observations)
        for action in decide(
            trainings, observations, self._memories, slots=self._slots, now=now, monotonic_now=monotonic_now
        ):
            has_work = True
            if not self._renew_lease():
                log.warning("The lease ran out in the middle of a round; what is left of it is not done")
                break
            self._perform(action, trainings_by_id[action.training_id])
        return has_work

    def _load_unfinished(self, monotonic_now: float) -> Sequence[TrainingRecord]:
        """
        Read the unfinished trainings, if any training has changed since they were read.

        A thousand of them take 30 ms to read, and a round comes up to four times a second.
        """
        # Before the trainings: what changes after this has a higher revision, and is read in the next round.
        revision = self._store.current_revision()
        if revision != self._read_revision or monotonic_now - self._read_at >= RELOAD_INTERVAL:
            self._trainings = self._store.list_unfinished()
            self._read_revision, self._read_at = revision, monotonic_now
        return self._trainings

    def _acquire_lease(self, monotonic_now: float, now: datetime) -> bool:
        """
        Take or keep the lease; renewed when half of it is over, since each renewal is a write to the disk.

        *monotonic_now* was read before *now*: a process that is frozen between the two must not count on more than it has.
        """
        if (
            self._lease_renewed_at is None
            or monotonic_now - self._lease_renewed_at >= LEASE_DURATION.total_seconds() / 2
        ):
            is_acquired = self._store.acquire_lease(LEASE_ROLE, self._lease_holder, now, now + LEASE_DURATION)
            self._lease_renewed_at = monotonic_now if is_acquired else None
        return self._lease_renewed_at is not None

    def _renew_lease(self) -> bool:
        """
        Whether what this round saw may still be acted on.

        A round that takes long renews the lease on its way. One that slept through the lease's end (it was frozen, or
        the machine slept) is over even if nobody else came meanwhile: what it saw is old.
        """
        monotonic_now, now = self._monotonic_clock(), self._clock()
        if self._lease_renewed_at is None or monotonic_now - self._lease_renewed_at >= LEASE_DURATION.total_seconds():
            self._lease_renewed_at = None
            return False
        return self._acquire_lease(monotonic_now, now)

    # -- the thread ----------------------------------------------------------

    def _run_loop(self) -> None:
        failed_rounds = 0
        while not self._stopping.is_set():
            self._wakeup.clear()
            try:
                pause = BUSY_INTERVAL if self.run_once() else IDLE_INTERVAL
                failed_rounds = 0
                if self._has_failed_action:
                    pause = ACTION_RETRY_INTERVAL
            except Exception:
                # The last line: whatever it is (the database is away, the disk is full), trainings run on meanwhile.
                pause = ERROR_BACKOFF[min(failed_rounds, len(ERROR_BACKOFF) - 1)]
                failed_rounds += 1
                log.exception("The dispatcher could not do its round; trying again in %.1f s", pause)
                self._stopping.wait(pause)
                continue
            self._wakeup.wait(pause)
        self._release_lease()

    def _release_lease(self) -> None:
        if self._lease_renewed_at is None:
            return
        now = self._clock()
        try:
            self._store.acquire_lease(LEASE_ROLE, self._lease_holder, now, now)
        except Exception:
            log.exception("The dispatcher could not give its lease back; it lapses by itself in %s", LEASE_DURATION)

    # -- doing ---------------------------------------------------------------

    def _perform(self, action: Action, training: TrainingRecord) -> None:
        """Take one step. A training whose step fails does not hold up the others: it is tried again next round."""
        try:
            match action:
                case Start(id_, gpus):
                    now = self._clock()
                    if self._store.reserve_gpus(id_, gpus, now):
                        self._start_learner(replace(training, gpus=tuple(gpus), started_at=now))
                case Restart():
                    self._start_learner(training)
                case RecordProgress(id_, state, phase, since):
                    self._store.record_progress(id_, state, phase, since)
                case Stop(id_):
                    self._memories[id_] = replace(self._memories[id_], last_stop_at=self._monotonic_clock())
                    if training.handle is not None:
                        self._runner.stop(
                            [training.handle], {training.handle: self._job_directories.job_directory(id_)}
                        )
                case KillLeftovers(id_):
                    self._runner.kill_leftovers(self._job_directories.job_directory(id_))
                case Finish(id_, outcome):
                    self._finish(id_, outcome)
                case Abandon(id_, outcome):
                    self._abandon(id_, outcome)
        except Exception:
            # Whatever it is, it is this training's trouble alone; it is logged, and the step is taken again.
            self._has_failed_action = True
            if isinstance(action, Finish | RecordProgress):
                self._memories[training.id] = replace(
                    self._memories.get(training.id, DispatcherMemory()), release_failed=True
                )
            log.exception("Training %s: %s failed", training.id, type(action).__name__)

    def _start_learner(self, training: TrainingRecord) -> None:
        """Start the learner of a booked training; one that can't be started ends here, as the service's fault."""
        try:
            definition = self._store.get_definition_with_secrets(training.id)
        except (DecryptionError, NotFound) as error:
            self._abandon_failed_start(training.id, error)
            return
        try:
            job = self._job_directories.prepare_job(training, definition)
            handle = self._runner.start(job)
        except (DlaasError, OSError, ValueError) as error:
            self._abandon_failed_start(training.id, error)
            return
        # Counted before the store is asked: a database that takes no handle must not make learners without end.
        memory = self._memories.get(training.id, DispatcherMemory())
        self._memories[training.id] = replace(memory, starts=memory.starts + 1, last_started_at=self._monotonic_clock())
        self._store.set_handle(training.id, handle)
        log.info("Training %s started on %s", training.id, ", ".join(training.gpus))

    def _abandon_failed_start(self, training_id: str, error: Exception) -> None:
        log.error("Training %s could not be started", training_id, exc_info=error)
        problem = ErrorItem(code="S101", message=f"The training could not be started: {error}")
        self._abandon(training_id, TrainingOutcome(state=TrainingState.ERROR, finished_at=self._clock(), error=problem))

    def _abandon(self, training_id: str, outcome: TrainingOutcome) -> None:
        """End what no learner has taken, so that none takes it later: its slots will be somebody else's."""
        if self._job_directories.abandon_unclaimed(training_id, outcome):
            self._finish(training_id, outcome)
        else:
            log.info("Training %s is worked on after all", training_id)

    def _finish(self, training_id: str, outcome: TrainingOutcome) -> None:
        # First: once the end is recorded, nobody comes back for them.
        self._job_directories.job_directory(training_id).erase_secrets()
        self._store.finish(training_id, outcome)
        why = f" ({outcome.error.code})" if outcome.error is not None else ""
        log.info("Training %s ended: %s%s", training_id, outcome.state, why)
