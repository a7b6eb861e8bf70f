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
from airflow_dlaas.service.job_files import Exit, ExitIfLost, PhaseMark
from airflow_dlaas.service.runners.base import Sighting
from airflow_dlaas.service.store.base import Outcome, TrainingRecord

LOST_AFTER = 3.0
"""Seconds a learner may be gone without an exit.json before it counts as lost: longer than a shared file system takes
to show a file that was renamed on another machine."""

START_AGAIN_AFTER = 20.0
"""Seconds an unknown learner may take to show itself before it is started again: longer than an interpreter needs to
come up on a machine that is busy with training."""

MOST_STARTS = 3
"""How often a learner that never shows itself is started before the training ends as one that could not be."""

STOP_AGAIN_AFTER = 10.0
"""Seconds from a request to stop to the next one: the first may have met a learner that did not listen yet."""

MAX_STORING = 16
"""Trainings that may store results without holding their slots. More of them hold their slots while they store: with a
store that is away, short trainings would else pile up as processes without end."""

LOST = "The learner was lost: its process ended without a word, as when it is killed or the memory runs out"
RESTARTED = "The machine was restarted while the training ran; submit it again"

WORKING = frozenset({Phase.LOADING, Phase.PROCESSING, Phase.STORING})
"""The phases that the v3 API calls `running`; before them a training is `pending`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is to be seen of one started training. ``exit`` is read after ``sighting`` was taken, never before."""

    exit: Exit | None = None
    phase: PhaseMark | None = None
    sighting: Sighting | None = None
    taken: bool = False
    """Whether a learner has ever taken the job (run.json)."""
    handed_over: bool = False
    """Whether the job's folder is in place here (spec.json): where it is not, nobody knows what a learner has done."""
    rebooted: bool = False
    """Whether its learner was of an earlier boot of this machine."""
    exit_damage: str | None = None
    """Why the exit.json that is there cannot be read. While the learner lives that is no end: it is read again."""
    exit_if_lost: ExitIfLost | None = None
    """What the learner has left for this case: read only where it is gone without an exit.json."""


@dataclass(frozen=True, slots=True)
class Past:
    """
    What this dispatcher remembers of one training. All of it may be forgotten, at the price of asking once more.

    Moments are seconds of a clock that only ever goes forward: nobody waits for hours because the date was corrected.
    """

    starts: int = 0
    """Learners started for it, as far as is known."""
    last_start: float | None = None
    last_stop: float | None = None
    gone_since: float | None = None
    release_failed: bool = False
    """Whether a step that frees its slots failed once: from then on they count as held until the step is recorded."""


@dataclass(frozen=True, slots=True)
class Start:
    """Book *gpus* for a training and start its learner."""

    training_id: str
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StartAgain:
    """Start the learner of a training that is booked already; one that runs after all is not disturbed by it."""

    training_id: str


@dataclass(frozen=True, slots=True)
class Advance:
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
class Clear:
    """End what a lost learner has left running, before its slots are given away."""

    training_id: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Record the end."""

    training_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Record the end of a training whose job no learner took; one that takes it this very moment is left to it."""

    training_id: str
    outcome: Outcome


Step: TypeAlias = Start | StartAgain | Advance | Stop | Clear | Finish | GiveUp


def decide(
    entries: Sequence[TrainingRecord],
    seen: Mapping[str, Seen],
    past: Mapping[str, Past],
    *,
    inventory: Sequence[str],
    now: datetime,
    tick: float,
) -> Iterator[Step]:
    """
    Name the steps that bring *entries*, the unfinished trainings in the order of submission, up to date.

    Started trainings first, then the queue: slots that an ending frees are given away in the same round, and so are
    those of a training that only stores its results any more. *now* is the
    date, which ends are recorded with; *tick* the same moment by the clock of *past*.
    """
    held: set[str] = set()
    storing = 0
    for entry in entries:
        if entry.started_at is None:
            continue
        steps = tuple(_follow(entry, seen.get(entry.id, Seen()), past.get(entry.id, Past()), now, tick))
        released = not past.get(entry.id, Past()).release_failed
        stores = entry.phase is Phase.STORING or (released and any(_begins_to_store(step) for step in steps))
        storing += stores
        ended = released and any(isinstance(step, Finish) for step in steps)  # a `GiveUp` may find a learner at work
        if not ended and not (stores and storing <= MAX_STORING):
            held.update(entry.gpus)
        yield from steps
    yield from _queue(entries, [slot for slot in inventory if slot not in held], len(inventory), now)


def _begins_to_store(step: Step) -> bool:
    return isinstance(step, Advance) and step.phase is Phase.STORING


def remember(entry: TrainingRecord, seen: Seen, past: Past, tick: float) -> Past:
    """
    Note what only the sequence of rounds can tell: since when a learner is gone, and that a start was made.

    A start that an earlier dispatcher made counts from now: how long ago it was, only the date could tell.
    """
    started = entry.handle is not None and past.last_start is None
    gone_since = tick if past.gone_since is None else past.gone_since
    return replace(
        past,
        starts=max(past.starts, 1 if entry.handle is not None else 0),
        last_start=tick if started else past.last_start,
        gone_since=gone_since if seen.sighting is Sighting.GONE else None,
    )


def _queue(entries: Sequence[TrainingRecord], free: list[str], total: int, now: datetime) -> Iterator[Step]:
    """Serve strictly in the order of submission: nobody overtakes, so nobody starves."""
    for entry in entries:
        if entry.started_at is not None or entry.cancel_requested or entry.damage is not None:
            continue
        if entry.slots > total:
            reason = f"It needs {entry.slots} GPU slots, and this service has only {total} since it was started last"
            yield _failed(entry, "S100", reason, now)
        elif entry.slots > len(free):
            return
        else:
            yield Start(entry.id, tuple(free[: entry.slots]))
            del free[: entry.slots]


def _follow(entry: TrainingRecord, seen: Seen, past: Past, now: datetime, tick: float) -> Iterator[Step]:
    """Follow one training that was booked."""
    if seen.exit is not None:
        yield from _conclude(entry, seen.exit, seen.phase)
        return
    yield from _progress(entry, seen.phase)
    if entry.handle is None or seen.sighting is Sighting.UNKNOWN:
        if past.starts == 0 or _is_due(past.last_start, START_AGAIN_AFTER, tick):
            yield from _revive(entry, seen, past, now)
    elif seen.sighting is Sighting.GONE:
        if past.gone_since is None or not _is_due(past.gone_since, LOST_AFTER, tick):
            return
        begun = seen.taken or seen.exit_damage is not None or seen.exit_if_lost is not None
        if seen.handed_over and not begun:
            yield from _revive(entry, seen, past, now)
        else:
            yield Clear(entry.id)
            yield _lost(entry, seen, now)
    elif entry.cancel_requested and _is_due(past.last_stop, STOP_AGAIN_AFTER, tick):
        yield Stop(entry.id)


def _progress(entry: TrainingRecord, mark: PhaseMark | None) -> Iterator[Step]:
    if mark is None or mark.phase is entry.phase:
        return
    state = TrainingState.RUNNING if mark.phase in WORKING else TrainingState.PENDING
    if state is entry.state or entry.state.can_transition_to(state):
        yield Advance(entry.id, state, mark.phase, mark.since)


def _conclude(entry: TrainingRecord, exit_: Exit, mark: PhaseMark | None) -> Iterator[Step]:
    """Let exit.json have the word. A life too short to be watched is caught up on first."""
    if entry.state is TrainingState.PENDING:
        if mark is not None and mark.phase in WORKING:
            yield Advance(entry.id, TrainingState.RUNNING, mark.phase, mark.since)
        elif not entry.state.can_transition_to(exit_.state):
            yield Advance(entry.id, TrainingState.RUNNING, entry.phase, exit_.finished_at)
    yield Finish(entry.id, _outcome(exit_))


def _outcome(exit_: Exit) -> Outcome:
    error = None
    if exit_.state is TrainingState.ERROR:
        code = exit_.code or "S100"
        error = ErrorItem(code=code, message=exit_.reason or TRAINING_ERROR_CODES.get(code, "the training failed"))
    return Outcome(
        state=exit_.state,
        finished_at=exit_.finished_at,
        exit_code=exit_.exit_code,
        error=error,
        stored=exit_.stored,
        isolation=exit_.isolation,
    )


def _revive(entry: TrainingRecord, seen: Seen, past: Past, now: datetime) -> Iterator[Step]:
    """
    Start what was booked and never seen: a dispatcher may have died between booking and starting.

    One that works already, and whose handle alone could not be recorded, gets one by being started again.
    """
    unrecorded = entry.handle is None and seen.taken
    if entry.cancel_requested and past.starts and not seen.taken:
        yield GiveUp(entry.id, _canceled(now))
    elif past.starts < MOST_STARTS or unrecorded:
        yield StartAgain(entry.id)
    else:
        reason = f"Its learner was started {past.starts} times and never showed itself; see its logs/learner.log"
        yield GiveUp(entry.id, _failure("S101", reason, now))


def _lost(entry: TrainingRecord, seen: Seen, now: datetime) -> Finish:
    """
    End a training whose learner is gone without a readable exit.json.

    If the command had ended, its exit code is kept, and what the learner left for this case decides state and code.
    """
    known = seen.exit_if_lost
    if entry.cancel_requested:
        outcome = _canceled(now)
    elif seen.exit_damage is not None:
        reason = f"Its learner has ended, and what it left (exit.json) cannot be read: {seen.exit_damage}"
        outcome = _failure("S100", reason, now)
    else:
        reason = RESTARTED if seen.rebooted else LOST
        outcome = _failure("S100", reason, now) if known is None else _interrupted(known, reason, now)
    if known is not None:
        outcome = replace(outcome, exit_code=known.exit_code, isolation=known.isolation)
    return Finish(entry.id, outcome)


def _interrupted(known: ExitIfLost, reason: str, now: datetime) -> Outcome:
    outcome = _outcome(known)
    error = outcome.error
    if error is not None:
        error = error.model_copy(update={"message": f"{error.message}. {reason}"})
    return replace(outcome, finished_at=now, error=error)


def _is_due(last: float | None, pause: float, tick: float) -> bool:
    return last is None or tick - last >= pause


def _canceled(now: datetime) -> Outcome:
    return Outcome(state=TrainingState.CANCELED, finished_at=now)


def _failure(code: str, reason: str, now: datetime) -> Outcome:
    return Outcome(state=TrainingState.ERROR, finished_at=now, error=ErrorItem(code=code, message=reason))


def _failed(entry: TrainingRecord, code: str, reason: str, now: datetime) -> Finish:
    return Finish(entry.id, _failure(code, reason, now))
