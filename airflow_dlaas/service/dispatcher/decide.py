"""
What the dispatcher does next, as values. No I/O.

The same rules hold for every training: exit.json decides its outcome; a cancel request is passed to the learner; a
learner that is gone counts as lost after a while; progress is recorded; and free slots go to the trainings that have
waited longest. Where `recovery` permits it, a further attempt follows the one that has ended, and the training goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from airflow_dlaas.contract.state import Phase, TrainingState
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
from airflow_dlaas.service.dispatcher.free_resources import Capacity, given_amounts
from airflow_dlaas.service.dispatcher.memory import DispatcherMemory, Observation
from airflow_dlaas.service.dispatcher.outcomes import canceled_outcome, error_outcome, lost_outcome, outcome_from_exit
from airflow_dlaas.service.dispatcher.recovery import Recovery, recovery_after_exit, recovery_after_loss
from airflow_dlaas.service.dispatcher.supply import Supply
from airflow_dlaas.service.job_reports import ExitFile, PhaseFile
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.store.records import TrainingRecord

LOST_AFTER = 3.0
"""Seconds that a learner may be gone without an exit.json before it counts as lost: longer than a shared file system
takes to show a file that was renamed on another machine."""

RESTART_INTERVAL = 20.0
"""Seconds that an unknown learner has to claim its job before it is started again: longer than an interpreter takes to
start on a machine that is busy with training."""

MAX_STARTS = 3
"""Starts of a learner that never claims its job; after these, the training ends with the error that it could not be
started."""

STOP_RETRY_INTERVAL = 10.0
"""Seconds between two stop requests: a learner may not have handled signals yet when the first one came."""

MAX_STORING = 16
"""Trainings that may store results without holding their slots. Further ones hold their slots while they store: if a
store is unreachable, short trainings would otherwise accumulate as processes without limit."""

RUNNING_PHASES = frozenset({Phase.LOADING, Phase.PROCESSING, Phase.STORING})
"""The phases that the v3 API reports as `running`; in earlier ones a training is `pending`."""


def decide(
    trainings: Sequence[TrainingRecord],
    observations: Mapping[str, Observation],
    memories: Mapping[str, DispatcherMemory],
    *,
    supply: Supply,
    now: datetime,
    monotonic_now: float,
) -> Iterator[Action]:
    """
    Yield the actions that bring *trainings* up to date.

    Started trainings come first, then the queue: slots that a `Finish` frees are given away in the same round, and so
    are those of a training that only stores its results.

    :param trainings: the unfinished trainings in the order of submission.
    :param supply: what the service has for trainings.
    :param now: the date that outcomes are recorded with.
    :param monotonic_now: the same moment by the clock of *memories*.
    """
    held: set[str] = set(supply.maintenance.cordons)
    free = supply.capacity
    storing = 0
    for training in trainings:
        if training.started_at is None:
            continue
        memory = memories.get(training.id, DispatcherMemory())
        observation = observations.get(training.id, Observation())
        actions = tuple(_decide_started(training, observation, memory, now, monotonic_now))
        is_storing = training.phase is Phase.STORING or (
            not memory.release_failed and any(_starts_storing(action) for action in actions)
        )
        storing += is_storing
        # `Abandon` does not count as an end: it may find a learner at work. Nor does `Recover`: in the next round the
        # training is in the queue, before those that were submitted later.
        has_ended = not memory.release_failed and any(isinstance(action, Finish) for action in actions)
        if not has_ended and not (is_storing and storing <= MAX_STORING):
            held.update(training.gpus)
            free = free.without(given_amounts(training, supply.capacity))
        yield from actions
    if supply.maintenance.drain is not None:
        return
    free_slots = [slot for slot in supply.slots if slot not in held]
    yield from _decide_queue(trainings, free_slots, free, supply, now)


def _starts_storing(action: Action) -> bool:
    return isinstance(action, RecordProgress) and action.phase is Phase.STORING


def _decide_queue(
    trainings: Sequence[TrainingRecord], free_slots: list[str], free: Capacity, supply: Supply, now: datetime
) -> Iterator[Action]:
    """
    Start trainings strictly in the order of submission: small ones do not overtake a large one, so none starves.

    One that waits for its next attempt is among them, at its old place. Others pass one that is to begin with the
    checkpoint of a training that has not ended.
    """
    unfinished = {training.id for training in trainings}
    for training in trainings:
        if training.started_at is not None or training.cancel_requested or training.unreadable_columns is not None:
            continue
        if training.definition.get("resume_from") in unfinished:
            continue
        if training.slots > len(supply.slots):
            reason = (
                f"The training needs {training.slots} GPU slots, and the service has only {len(supply.slots)} since "
                "its last restart"
            )
            yield Finish(training.id, error_outcome("S100", reason, now))
            continue
        amounts = given_amounts(training, supply.capacity)
        if (missing := supply.capacity.missing(amounts)) is not None:
            reason = f"The training {missing} since its last restart"
            yield Finish(training.id, error_outcome("S100", reason, now))
        elif training.slots > len(free_slots) or free.missing(amounts) is not None:
            return
        else:
            yield Start(training.id, tuple(free_slots[: training.slots]))
            del free_slots[: training.slots]
            free = free.without(amounts)


def _decide_started(
    training: TrainingRecord, observation: Observation, memory: DispatcherMemory, now: datetime, monotonic_now: float
) -> Iterator[Action]:
    """Yield the actions for a training that has its slots."""
    if observation.exit_file is not None:
        if (recovery := recovery_after_exit(training, observation.exit_file, observation.resumed_from)) is not None:
            yield from _recover_after_exit(training, recovery, observation, memory, monotonic_now)
            return
        for action in _finish_from_exit(training, observation.exit_file, observation.phase_file):
            yield _with_observed(action, observation)
        return
    yield from _decide_progress(training, observation.phase_file)
    if observation.stalls is not None and observation.stalls.version != memory.stalls_version:
        yield ReportStalls(training.id, observation.stalls.version)
    if training.handle is None or observation.liveness is Liveness.UNKNOWN:
        if memory.starts == 0 or _is_due(memory.last_started_at, RESTART_INTERVAL, monotonic_now):
            yield from _restart_or_abandon(training, observation, memory, now)
    elif observation.liveness is Liveness.GONE:
        if memory.gone_since is None or not _is_due(memory.gone_since, LOST_AFTER, monotonic_now):
            return
        was_claimed = (
            observation.is_claimed or observation.exit_read_error is not None or observation.exit_if_lost is not None
        )
        if observation.has_spec and not was_claimed:
            yield from _restart_or_abandon(training, observation, memory, now)
        elif (recovery := recovery_after_loss(training, observation, now)) is not None:
            seconds = _stalled_seconds(observation, recovery.ended_at)
            yield Recover(training.id, recovery, is_lost=True, stalled_seconds=seconds)
        else:
            yield KillLeftovers(training.id)
            outcome = replace(lost_outcome(training, observation, now), data_report=observation.data_report)
            yield Finish(training.id, outcome)
    elif training.cancel_requested and _is_due(memory.last_stop_at, STOP_RETRY_INTERVAL, monotonic_now):
        yield Stop(training.id)


def _recover_after_exit(
    training: TrainingRecord,
    recovery: Recovery,
    observation: Observation,
    memory: DispatcherMemory,
    monotonic_now: float,
) -> Iterator[Action]:
    """
    Recover once the learner has ended: it still removes folders after it has written exit.json, and the next attempt
    has the same paths.
    """
    if training.handle is None and observation.is_claimed:
        # Only a handle shows whether it has ended. A new start provides one.
        if memory.starts == 0 or _is_due(memory.last_started_at, RESTART_INTERVAL, monotonic_now):
            yield Restart(training.id)
    elif observation.liveness in {Liveness.ALIVE, Liveness.WAITING}:
        yield from _decide_progress(training, observation.phase_file)
    else:
        yield Recover(training.id, recovery, stalled_seconds=_stalled_seconds(observation, recovery.ended_at))


def _decide_progress(training: TrainingRecord, phase_file: PhaseFile | None) -> Iterator[Action]:
    if phase_file is None or phase_file.phase is training.phase:
        return
    is_running = phase_file.phase in RUNNING_PHASES
    if training.attempt > 1 and training.state is TrainingState.RUNNING:
        is_running = True  # a later attempt prepares its runtime again; `pending` never follows `running`
    state = TrainingState.RUNNING if is_running else TrainingState.PENDING
    if state is training.state or training.state.can_transition_to(state):
        yield RecordProgress(training.id, state, phase_file.phase, phase_file.since)


def _finish_from_exit(training: TrainingRecord, exit_file: ExitFile, phase_file: PhaseFile | None) -> Iterator[Action]:
    """Finish from exit.json. If `running` was never observed, record it first."""
    if training.state is TrainingState.PENDING:
        if phase_file is not None and phase_file.phase in RUNNING_PHASES:
            yield RecordProgress(training.id, TrainingState.RUNNING, phase_file.phase, phase_file.since)
        elif not training.state.can_transition_to(exit_file.state):
            yield RecordProgress(training.id, TrainingState.RUNNING, training.phase, exit_file.finished_at)
    yield Finish(training.id, outcome_from_exit(exit_file))


def _with_observed(action: Action, observation: Observation) -> Action:
    """Add to an outcome for how long the command did no work, and what was read as training data."""
    if not isinstance(action, Finish):
        return action
    seconds = _stalled_seconds(observation, action.outcome.finished_at)
    outcome = replace(action.outcome, stalled_seconds=seconds, data_report=observation.data_report)
    return replace(action, outcome=outcome)


def _stalled_seconds(observation: Observation, ended_at: datetime) -> float:
    return 0.0 if observation.stalls is None else observation.stalls.seconds(ended_at)


def _restart_or_abandon(
    training: TrainingRecord, observation: Observation, memory: DispatcherMemory, now: datetime
) -> Iterator[Action]:
    """
    Start a training that has its slots and no known learner: a dispatcher may have died after the reservation.

    If a learner is at work and only its handle could not be recorded, the new start provides a handle.
    """
    has_unrecorded_learner = training.handle is None and observation.is_claimed
    if training.cancel_requested and memory.starts and not observation.is_claimed:
        yield Abandon(training.id, canceled_outcome(now))
    elif memory.starts < MAX_STARTS or has_unrecorded_learner:
        yield Restart(training.id)
    else:
        reason = f"The learner was started {memory.starts} times and never claimed its job; see its logs/learner.log"
        yield Abandon(training.id, error_outcome("S101", reason, now))


def _is_due(last_at: float | None, interval: float, monotonic_now: float) -> bool:
    return last_at is None or monotonic_now - last_at >= interval
