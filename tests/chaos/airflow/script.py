"""The events of a chaos run, drawn from a seed: the same seed gives the same events. Values only."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

EVENT_WINDOW = 14.0
"""Seconds from the start of a run within which its events happen: longer than an undisturbed run takes."""


class RunEvent(Enum):
    """An event of one run."""

    MARK_FAILED = "marked failed"
    MARK_SUCCESS = "marked success"
    CLEAR = "cleared"
    DELETE = "deleted"
    KILL_WORKER = "a worker is killed"


class SystemEvent(Enum):
    """An event that affects all runs."""

    KILL_TRIGGERER = "the triggerer is killed"
    FREEZE_TRIGGERER = "the triggerer is suspended for some seconds"
    KILL_SCHEDULER = "the scheduler is killed"
    KILL_SERVICE = "the service is killed"


@dataclass(frozen=True, slots=True)
class Round:
    """One run of a DAG: its mode of waiting, the duration and exit code of its command, and its events."""

    dag_id: str
    seconds: float
    exit_code: int
    events: tuple[tuple[float, RunEvent], ...]

    @property
    def command(self) -> str:
        """The command of its training."""
        return f"sleep {self.seconds:.1f}; exit {self.exit_code}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rounds that run at the same time, and the events that affect all of them."""

    rounds: tuple[Round, ...]
    system_events: tuple[tuple[float, SystemEvent], ...]


def batches(seed: int, rounds: int, at_once: int) -> Iterator[Batch]:
    """Draw *rounds* rounds in batches of *at_once*."""
    draw = random.Random(seed)
    while rounds > 0:
        size = min(at_once, rounds)
        rounds -= size
        yield Batch(tuple(_draw_round(draw) for _ in range(size)), tuple(_draw_system_events(draw)))


def _draw_round(draw: random.Random) -> Round:
    events = [
        (draw.uniform(0, EVENT_WINDOW), draw.choice(list(RunEvent)))
        for _ in range(draw.choices((0, 1, 2), weights=(2, 5, 1))[0])
    ]
    return Round(
        dag_id=draw.choice(("hold_here", "hold_deferred", "hold_deferred")),
        seconds=draw.choice((0.0, 2.0, 6.0, 12.0)),
        exit_code=draw.choice((0, 0, 0, 3)),
        events=tuple(sorted(events, key=lambda event: event[0])),
    )


def _draw_system_events(draw: random.Random) -> Iterator[tuple[float, SystemEvent]]:
    for _ in range(draw.choices((0, 1, 2), weights=(2, 4, 1))[0]):
        yield draw.uniform(0, EVENT_WINDOW), draw.choice(list(SystemEvent))
