"""Performs the actions that `decide` returns: on the store, the runner and the job directories."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import DlaasError, NotFound
from airflow_dlaas.service.dispatcher.actions import (
    Abandon,
    Action,
    Finish,
    KillLeftovers,
    RecordProgress,
    Recover,
    ReportStalls,
    Restart,
    Start,
    Stop,
)
from airflow_dlaas.service.dispatcher.job_directories import JobDirectories
from airflow_dlaas.service.dispatcher.memory import DispatcherMemory
from airflow_dlaas.service.runners.base import Runner
from airflow_dlaas.service.store.base import DecryptionError, Store
from airflow_dlaas.service.store.records import TrainingOutcome, TrainingRecord

log = logging.getLogger(__name__)


class ActionPerformer:
    """
    Performs one action after another, in the thread of the dispatcher.

    Each step of an action is durable or may be repeated: if the service is killed between two steps, the next one
    observes the training again, and decides the rest anew.
    """

    def __init__(
        self,
        store: Store,
        runner: Runner,
        job_directories: JobDirectories,
        clock: Callable[[], datetime],
        monotonic_clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._runner = runner
        self._job_directories = job_directories
        self._clock = clock
        self._monotonic_clock = monotonic_clock
        self.memories: dict[str, DispatcherMemory] = {}
        """What the dispatcher remembers of started trainings, by their id."""

    def remember_failed_release(self, training: TrainingRecord) -> None:
        """Remember that an action has failed which frees the slots of *training*."""
        self.memories[training.id] = replace(self._memory(training), release_failed=True)

    def perform(self, action: Action, training: TrainingRecord) -> None:
        """Perform *action*, which is for *training*. It may raise any error of store, runner or disk."""
        id_, attempt = training.id, training.attempt
        match action:
            case Start(_, gpus):
                now = self._clock()
                if self._store.reserve_gpus(id_, gpus, now, attempt=attempt):
                    self._start_learner(replace(training, gpus=tuple(gpus), started_at=now), is_first_start=True)
            case Restart():
                self._start_learner(training, is_first_start=False)
            case RecordProgress(_, state, phase, since):
                self._store.record_progress(id_, state, phase, since, attempt=attempt)
            case ReportStalls(_, version):
                self._store.mark_changed(id_, self._clock())
                self.memories[id_] = replace(self._memory(training), stalls_version=version)
            case Stop():
                self.memories[id_] = replace(self._memory(training), last_stop_at=self._monotonic_clock())
                if training.handle is not None:
                    self._runner.stop([training.handle], {training.handle: self._job_directories.job_directory(id_)})
            case KillLeftovers():
                self._runner.kill_leftovers(self._job_directories.job_directory(id_))
            case Recover():
                self._recover(action)
            case Finish(_, outcome):
                self._finish(training, outcome)
            case Abandon(_, outcome):
                self._abandon(training, outcome)

    def _memory(self, training: TrainingRecord) -> DispatcherMemory:
        return self.memories.get(training.id, DispatcherMemory(attempt=training.attempt))

    def _start_learner(self, training: TrainingRecord, *, is_first_start: bool) -> None:
        """
        Start the learner of a training that has its slots. If that fails, end the training with an error of the
        service.
        """
        try:
            definition = self._store.get_definition_with_secrets(training.id)
        except (DecryptionError, NotFound) as error:
            self._abandon_failed_start(training, error)
            return
        try:
            job = self._job_directories.prepare_job(training, definition, is_first_start=is_first_start)
            handle = self._runner.start(job)
        except (DlaasError, OSError, ValueError) as error:
            self._abandon_failed_start(training, error)
            return
        # Counted before the store is called: a database that rejects handles must not cause learners without limit.
        memory = self._memory(training)
        self.memories[training.id] = replace(memory, starts=memory.starts + 1, last_started_at=self._monotonic_clock())
        self._store.set_handle(training.id, handle, attempt=training.attempt)
        number = f", attempt {training.attempt}," if training.attempt > 1 else ""
        log.info("Training %s%s started on %s", training.id, number, ", ".join(training.gpus) or "no GPU")

    def _abandon_failed_start(self, training: TrainingRecord, error: Exception) -> None:
        log.error("Training %s could not be started, and ends in state error: %s", training.id, error, exc_info=error)
        problem = ErrorItem(code="S101", message=f"The training could not be started: {error}")
        self._abandon(training, TrainingOutcome(state=TrainingState.ERROR, finished_at=self._clock(), error=problem))

    def _abandon(self, training: TrainingRecord, outcome: TrainingOutcome) -> None:
        """
        End a training whose job no learner has claimed.

        The job is claimed first, so that no learner claims it later: its slots then belong to another training.
        """
        if self._job_directories.abandon_unclaimed(training, outcome):
            self._finish(training, outcome)
        else:
            log.info("Training %s is not abandoned: a learner has claimed its job", training.id)

    def _recover(self, action: Recover) -> None:
        """
        Let the next attempt follow. Until the store has recorded it, the present one counts as lost or ended, and all
        is repeated; from then on, the job directory is of an earlier attempt.
        """
        job, ended = self._job_directories.job_directory(action.training_id), action.recovery.ended
        if action.is_lost:
            self._runner.kill_leftovers(job)
        job.erase_secrets()  # the next attempt may wait for long, and a cancel meanwhile touches no job directory
        if self._store.begin_next_attempt(
            action.training_id, ended, self._clock(), stalled_seconds=action.stalled_seconds
        ):
            log.info(
                "Training %s: attempt %d ended (%s); attempt %d of %d waits for GPUs",
                action.training_id,
                ended.number,
                action.recovery.cause,
                ended.number + 1,
                action.recovery.attempts,
            )

    def _finish(self, training: TrainingRecord, outcome: TrainingOutcome) -> None:
        # The secrets first: once the outcome is recorded, the dispatcher does not look at this training again.
        self._job_directories.job_directory(training.id).erase_secrets()
        self._store.finish(training.id, outcome, attempt=training.attempt)
        code = f" ({outcome.error.code})" if outcome.error is not None else ""
        log.info("Training %s ended: %s%s", training.id, outcome.state, code)
