"""
What the dispatcher does next, named but not done.

One rule after the other, for every training: an exit.json decides everything; a cancel is passed on; a learner that is
gone is given up; progress is recorded; and what is free goes to whoever has waited longest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from airflow_dlaas.contract.error import TRAINING_ERROR_CODES, ErrorItem
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.service.job_files import ExitFile, ExitIfLostFile, PhaseFile
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.store.base import TrainingOutcome, TrainingRecord

LOST_AFTER = 3.0
"""Seconds a learner may be gone without an exit.json before it counts as lost: longer than a shared file system takes
to show a file that was renamed on another machine."""

RESTART_INTERVAL = 20.0
"""Seconds an unknown learner may take to show itself before it is started again: longer than an interpreter needs to
come up on a machine that is busy with training."""

MAX_STARTS = 3
"""How often a learner that never shows itself is started before the training ends as one that could not be."""

STOP_RETRY_INTERVAL = 10.0
"""Seconds from a request to stop to the next one: the first may have met a learner that did not listen yet."""

MAX_STORING = 16
"""Trainings that may store results without holding their slots. More of them hold their slots while they store: with a
store that is away, short trainings would else pile up as processes without end."""

LOST_MESSAGE = "The learner was lost: its process ended without a word, as when it is killed or the memory runs out"
REBOOTED_MESSAGE = "The machine was restarted while the training ran; submit it again"

RUNNING_PHASES = frozenset({Phase.LOADING, Phase.PROCESSING, Phase.STORING})
"""The phases that the v3 API calls `running`; before them a training is `pending`."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is to be seen of one started training. ``exit`` is read after ``sighting`` was taken, never before."""

    exit_file: ExitFile | None = None
    phase_file: PhaseFile | None = None
    liveness: Liveness | None = None
    is_claimed: bool = False
    """Whether a learner has ever taken the job (run.json)."""
    has_spec: bool = False
    """Whether the job's folder is in place here (spec.json): where it is not, nobody knows what a learner has done."""
    is_from_earlier_boot: bool = False
    """Whether its learner was of an earlier boot of this machine."""
    exit_read_error: str | None = None
    """Why the exit.json that is there cannot be read. While the learner lives that is no end: it is read again."""
    exit_if_lost: ExitIfLostFile | None = None
    """What the learner has left for this case: read only where it is gone without an exit.json."""


@dataclass(frozen=True, slots=True)
class DispatcherMemory:
    """
    What this dispatcher remembers of one training. All of it may be forgotten, at the price of asking once more.

    Moments are seconds of a clock that only ever goes forward: nobody waits for hours because the date was corrected.
    """

    starts: int = 0
    """Learners started for it, as far as is known."""
    last_started_at: float | None = None
    last_stop_at: float | None = None
    gone_since: float | None = None
    release_failed: bool = False
    """Whether a step that frees its slots failed once: from then on they count as held until the step is recorded."""


@dataclass(frozen=True, slots=True)
class Start:
    """Book *gpus* for a training and start its learner."""

    training_id: str
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restart:
    """Start the learner of a training that is booked already; one that runs after all is not disturbed by it."""

    training_id: str


@dataclass(frozen=True, slots=True)
class RecordProgress:
    """Record progress, made at *since*."""

    training_id: str
    state: TrainingState
    phase: Phase | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask the learner to stop."""

    training_id: str


@dataclass(frozen=True, slots=True)
class KillLeftovers:
    """End what a lost learner has left running, before its slots are given away."""

    training_id: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Record the end."""

    training_id: str
    outcome: TrainingOutcome


@dataclass(frozen=True, slots=True)
class Abandon:
    """Record the end of a training whose job no learner took; one that takes it this very moment is left to it."""

    training_id: str
    outcome: TrainingOutcome


Action: TypeAlias = Start | Restart | RecordProgress | Stop | KillLeftovers | Finish | Abandon


def decide(
    trainings: Sequence[TrainingRecord],
    observations: Mapping[str, Observation],
    memories: Mapping[str, DispatcherMemory],
    *,
    slots: Sequence[str],
    now: datetime,
    monotonic_now: float,
) -> Iterator[Action]:
    """
    Name the steps that bring *trainings*, the unfinished trainings in the order of submission, up to date.

    Started trainings first, then the queue: slots that an ending frees are given away in the same round, and so are
    those of a training that only stores its results any more. *now* is the
    date, which ends are recorded with; *monotonic_now* the same moment by the clock of *past*.
    """
    held: set[str] = set()
    storing = 0
    for training in trainings:
        if training.started_at is None:
            continue
        actions = tuple(
            _decide_started(
                training,
                observations.get(training.id, Observation()),
                memories.get(training.id, DispatcherMemory()),
                now,
                monotonic_now,
            )
        )
        released = not memories.get(training.id, DispatcherMemory()).release_failed
        is_storing = training.phase is Phase.STORING or (released and any(_starts_storing(step) for step in actions))
        storing += is_storing
        ended = released and any(
            isinstance(action, Finish) for action in actions
        )  # a `Abandon` may find a learner at work
        if not ended and not (is_storing and storing <= MAX_STORING):
            held.update(training.gpus)
        yield from actions
    yield from _decide_queue(trainings, [slot for slot in slots if slot not in held], len(slots), now)


def _starts_storing(action: Action) -> bool:
    return isinstance(action, RecordProgress) and action.phase is Phase.STORING


def update_memory(
    training: TrainingRecord, observation: Observation, memory: DispatcherMemory, monotonic_now: float
) -> DispatcherMemory:
    """
    Note what only the sequence of rounds can tell: since when a learner is gone, and that a start was made.

    A start that an earlier dispatcher made counts from now: how long ago it was, only the date could tell.
    """
    started = training.handle is not None and memory.last_started_at is None
    gone_since = monotonic_now if memory.gone_since is None else memory.gone_since
    return replace(
        memory,
        starts=max(memory.starts, 1 if training.handle is not None else 0),
        last_started_at=monotonic_now if started else memory.last_started_at,
        gone_since=gone_since if observation.liveness is Liveness.GONE else None,
    )


def _decide_queue(
    trainings: Sequence[TrainingRecord], free_slots: list[str], total_slots: int, now: datetime
) -> Iterator[Action]:
    """Serve strictly in the order of submission: nobody overtakes, so nobody starves."""
    for training in trainings:
        if training.started_at is not None or training.cancel_requested or training.unreadable_columns is not None:
            continue
        if training.slots > total_slots:
            reason = f"It needs {training.slots} GPU slots, and this service has only {total_slots} since it was started last"
            yield _finish_with_error(training, "S100", reason, now)
        elif training.slots > len(free_slots):
            return
        else:
            yield Start(training.id, tuple(free_slots[: training.slots]))
            del free_slots[: training.slots]


def _decide_started(
    training: TrainingRecord, observation: Observation, memory: DispatcherMemory, now: datetime, monotonic_now: float
) -> Iterator[Action]:
    """Follow one training that was booked."""
    if observation.exit_file is not None:
        yield from _finish_from_exit(training, observation.exit_file, observation.phase_file)
        return
    yield from _decide_progress(training, observation.phase_file)
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
        else:
            yield KillLeftovers(training.id)
            yield _finish_lost(training, observation, now)
    elif training.cancel_requested and _is_due(memory.last_stop_at, STOP_RETRY_INTERVAL, monotonic_now):
        yield Stop(training.id)


def _decide_progress(training: TrainingRecord, phase_file: PhaseFile | None) -> Iterator[Action]:
    if phase_file is None or phase_file.phase is training.phase:
        return
    state = TrainingState.RUNNING if phase_file.phase in RUNNING_PHASES else TrainingState.PENDING
    if state is training.state or training.state.can_transition_to(state):
        yield RecordProgress(training.id, state, phase_file.phase, phase_file.since)


def _finish_from_exit(training: TrainingRecord, exit_file: ExitFile, phase_file: PhaseFile | None) -> Iterator[Action]:
    """Let exit.json have the word. A life too short to be watched is caught up on first."""
    if training.state is TrainingState.PENDING:
        if phase_file is not None and phase_file.phase in RUNNING_PHASES:
            yield RecordProgress(training.id, TrainingState.RUNNING, phase_file.phase, phase_file.since)
        elif not training.state.can_transition_to(exit_file.state):
            yield RecordProgress(training.id, TrainingState.RUNNING, training.phase, exit_file.finished_at)
    yield Finish(training.id, _outcome_from_exit(exit_file))


def _outcome_from_exit(exit_file: ExitFile) -> TrainingOutcome:
    error = None
    if exit_file.state is TrainingState.ERROR:
        code = exit_file.code or "S100"
        error = ErrorItem(code=code, message=exit_file.reason or TRAINING_ERROR_CODES.get(code, "the training failed"))
    return TrainingOutcome(
        state=exit_file.state,
        finished_at=exit_file.finished_at,
        exit_code=exit_file.exit_code,
        error=error,
        stored=exit_file.stored,
        isolation=exit_file.isolation,
    )


def _restart_or_abandon(
    training: TrainingRecord, observation: Observation, memory: DispatcherMemory, now: datetime
) -> Iterator[Action]:
    """
    Start what was booked and never seen: a dispatcher may have died between booking and starting.

    One that works already, and whose handle alone could not be recorded, gets one by being started again.
    """
    has_unrecorded_learner = training.handle is None and observation.is_claimed
    if training.cancel_requested and memory.starts and not observation.is_claimed:
        yield Abandon(training.id, _canceled_outcome(now))
    elif memory.starts < MAX_STARTS or has_unrecorded_learner:
        yield Restart(training.id)
    else:
        reason = f"Its learner was started {memory.starts} times and never showed itself; see its logs/learner.log"
        yield Abandon(training.id, _error_outcome("S101", reason, now))


def _finish_lost(training: TrainingRecord, observation: Observation, now: datetime) -> Finish:
    """
    End a training whose learner is gone without a readable exit.json.

    If the command had ended, its exit code is kept, and what the learner left for this case decides state and code.
    """
    exit_if_lost = observation.exit_if_lost
    if training.cancel_requested:
        outcome = _canceled_outcome(now)
    elif observation.exit_read_error is not None:
        reason = f"Its learner has ended, and what it left (exit.json) cannot be read: {observation.exit_read_error}"
        outcome = _error_outcome("S100", reason, now)
    else:
        reason = REBOOTED_MESSAGE if observation.is_from_earlier_boot else LOST_MESSAGE
        outcome = (
            _error_outcome("S100", reason, now) if exit_if_lost is None else _outcome_if_lost(exit_if_lost, reason, now)
        )
    if exit_if_lost is not None:
        outcome = replace(outcome, exit_code=exit_if_lost.exit_code, isolation=exit_if_lost.isolation)
    return Finish(training.id, outcome)


def _outcome_if_lost(exit_if_lost: ExitIfLostFile, reason: str, now: datetime) -> TrainingOutcome:
    outcome = _outcome_from_exit(exit_if_lost)
    error = outcome.error
    if error is not None:
        error = error.model_copy(update={"message": f"{error.message}. {reason}"})
    return replace(outcome, finished_at=now, error=error)


def _is_due(last_at: float | None, interval: float, monotonic_now: float) -> bool:
    return last_at is None or monotonic_now - last_at >= interval


def _canceled_outcome(now: datetime) -> TrainingOutcome:
    return TrainingOutcome(state=TrainingState.CANCELED, finished_at=now)


def _error_outcome(code: str, reason: str, now: datetime) -> TrainingOutcome:
    return TrainingOutcome(state=TrainingState.ERROR, finished_at=now, error=ErrorItem(code=code, message=reason))


def _finish_with_error(training: TrainingRecord, code: str, reason: str, now: datetime) -> Finish:
    return Finish(training.id, _error_outcome(code, reason, now))
