"""
The dispatcher: performs the actions that `decide` returns, in one thread for all trainings.

It holds the lease on its role while it acts, so that of several services with one store only one does. Everything that
it needs after a crash is in the store and in the job directories. If it stops, no training stops.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.dispatcher.actions import Action, Finish, RecordProgress
from airflow_dlaas.service.dispatcher.decide import decide
from airflow_dlaas.service.dispatcher.job_directories import JobDirectories
from airflow_dlaas.service.dispatcher.lease import DispatcherLease, uptime
from airflow_dlaas.service.dispatcher.memory import DispatcherMemory, update_memory
from airflow_dlaas.service.dispatcher.observe import observe_trainings
from airflow_dlaas.service.dispatcher.perform import ActionPerformer
from airflow_dlaas.service.dispatcher.supply import Supply
from airflow_dlaas.service.runners.base import Runner
from airflow_dlaas.service.store.base import Store
from airflow_dlaas.service.store.records import TrainingRecord

log = logging.getLogger(__name__)

BUSY_INTERVAL = 0.25
"""Seconds between rounds while a training is started: the longest delay of its progress."""

IDLE_INTERVAL = 1.0
"""Seconds between rounds while no training is started; a submission or a cancel request wakes the loop at once."""

ROUND_RETRY = RetryPolicy(attempts=None, first_pause=0.5, max_pause=10, jitter=0)
"""Pauses after consecutive rounds that failed as a whole."""

ACTION_RETRY_INTERVAL = 2.0
"""Seconds to the next round after one with a failed action, unless the loop is woken earlier; the action is retried
then."""

RELOAD_INTERVAL = 10.0
"""Seconds after which unfinished trainings are read although none has changed: a database may have been restored."""


class Dispatcher:
    """
    Starts, observes and finishes trainings. Call `start` and `stop` once each.

    :param lease_holder: names this service in the lease; see `DispatcherLease`.
    """

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
        self._store = store
        self._runner = runner
        self._job_directories = job_directories
        self._slots = tuple(slots)
        self._lease = DispatcherLease(store, lease_holder, clock, monotonic_clock)
        self._clock = clock
        self._monotonic_clock = monotonic_clock
        self._performer = ActionPerformer(store, runner, job_directories, clock, monotonic_clock)
        self._failures: dict[tuple[str, type[Action]], int] = {}
        """Consecutive failures of an action, by training and kind of action."""
        self._has_failed_action = False
        self._trainings: Sequence[TrainingRecord] = ()
        self._read_revision = -1
        self._read_at = 0.0
        self._wakeup = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the loop in a thread of its own."""
        self._thread = threading.Thread(target=self._run_loop, name="dispatcher")
        self._thread.start()

    def wake(self) -> None:
        """Start the next round at once: a training may have changed. Thread-safe; returns immediately."""
        self._wakeup.set()

    def stop(self) -> None:
        """Stop the loop after the current round, and release the lease. Learners continue to run."""
        self._stopping.set()
        self._wakeup.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def is_running(self) -> bool:
        """Whether the thread of the loop is alive."""
        return self._thread is not None and self._thread.is_alive()

    def run_once(self) -> bool:
        """
        Do one round: observe, decide, act. Return whether there was a started training or an action.

        Does nothing, and returns False, if another service holds the lease.
        """
        if not self._lease.acquire():
            return False
        monotonic_now, now = self._monotonic_clock(), self._clock()
        self._has_failed_action = False
        trainings = self._load_unfinished(monotonic_now)
        started = [training for training in trainings if training.started_at is not None]
        observations = observe_trainings(started, self._job_directories.job_directory, self._runner)
        memories = self._performer.memories = {
            entry.id: update_memory(
                entry, observations[entry.id], self._performer.memories.get(entry.id, DispatcherMemory()), monotonic_now
            )
            for entry in started
        }
        trainings_by_id = {entry.id: entry for entry in trainings}
        self._failures = {key: number for key, number in self._failures.items() if key[0] in trainings_by_id}
        has_work = bool(observations)
        supply = Supply(self._slots, self._job_directories.capacity, self._store.maintenance.get())
        for action in decide(trainings, observations, memories, supply=supply, now=now, monotonic_now=monotonic_now):
            has_work = True
            if not self._lease.renew():
                log.warning("The lease ran out during a round; its remaining actions are skipped")
                break
            self._perform(action, trainings_by_id[action.training_id])
        return has_work

    def _load_unfinished(self, monotonic_now: float) -> Sequence[TrainingRecord]:
        """
        Read the unfinished trainings, if any training has changed since the last read.

        Reading a thousand of them takes 30 ms, and there are up to four rounds a second.
        """
        # The revision first: a change after this read has a higher revision, and is read in the next round.
        revision = self._store.current_revision()
        if revision != self._read_revision or monotonic_now - self._read_at >= RELOAD_INTERVAL:
            self._trainings = self._store.list_unfinished()
            self._read_revision, self._read_at = revision, monotonic_now
        return self._trainings

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
            except Exception as error:
                # Whatever the error is (the database is unreachable, the disk is full), trainings continue meanwhile.
                failed_rounds += 1
                pause = ROUND_RETRY.pause(failed_rounds)
                log.warning(
                    "The dispatcher's round failed (%s); retrying in %.1f s (attempt %d)",
                    _describe_cause(error),
                    pause,
                    failed_rounds + 1,
                    exc_info=error if failed_rounds == 1 else None,
                )
                self._stopping.wait(pause)
                continue
            self._wakeup.wait(pause)
        self._lease.release()

    # -- actions -------------------------------------------------------------

    def _perform(self, action: Action, training: TrainingRecord) -> None:
        """Perform one action. If it fails, it is retried in the next round; other trainings are not affected."""
        failures_key = (training.id, type(action))
        try:
            self._performer.perform(action, training)
        except Exception as error:
            self._has_failed_action = True
            failures = self._failures.get(failures_key, 0) + 1
            self._failures[failures_key] = failures
            if isinstance(action, Finish | RecordProgress):
                self._performer.remember_failed_release(training)
            log.warning(
                "Training %s: %s failed (%s); retrying in %.0f s (attempt %d)",
                training.id,
                type(action).__name__,
                _describe_cause(error),
                ACTION_RETRY_INTERVAL,
                failures + 1,
                exc_info=error if failures == 1 else None,
            )
        else:
            self._failures.pop(failures_key, None)


def _describe_cause(error: Exception) -> str:
    return str(error) or type(error).__name__
