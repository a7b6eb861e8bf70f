"""What happens in a storm, drawn from a seed: the same seed is the same storm. Values only."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

LONGEST = 14.0
"""Seconds from a run's start within which something befalls it: longer than it takes when left alone."""


class Deed(Enum):
    """What befalls one run."""

    MARK_FAILED = "marked failed"
    MARK_SUCCESS = "marked success"
    CLEAR = "cleared"
    DELETE = "deleted"
    KILL_WORKER = "a worker is killed"


class Blow(Enum):
    """What befalls everybody."""

    KILL_TRIGGERER = "the triggerer is killed"
    FREEZE_TRIGGERER = "the triggerer stands still for some seconds"
    KILL_SCHEDULER = "the scheduler is killed"
    KILL_SERVICE = "the service is killed"


@dataclass(frozen=True, slots=True)
class Round:
    """One run of a DAG: how it waits, how long its command takes, how that ends, and what befalls it."""

    way: str
    seconds: float
    exit_code: int
    deeds: tuple[tuple[float, Deed], ...]

    @property
    def command(self) -> str:
        """The command of its training."""
        return f"sleep {self.seconds:.1f}; exit {self.exit_code}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rounds that go on at once, and what befalls all of them."""

    rounds: tuple[Round, ...]
    blows: tuple[tuple[float, Blow], ...]


def batches(seed: int, rounds: int, at_once: int) -> Iterator[Batch]:
    """Draw *rounds* rounds, *at_once* of them to a batch."""
    draw = random.Random(seed)
    while rounds > 0:
        size = min(at_once, rounds)
        rounds -= size
        yield Batch(tuple(_round(draw) for _ in range(size)), tuple(_blows(draw)))


def _round(draw: random.Random) -> Round:
    deeds = [
        (draw.uniform(0, LONGEST), draw.choice(list(Deed)))
        for _ in range(draw.choices((0, 1, 2), weights=(2, 5, 1))[0])
    ]
    return Round(
        way=draw.choice(("hold_here", "hold_deferred", "hold_deferred")),
        seconds=draw.choice((0.0, 2.0, 6.0, 12.0)),
        exit_code=draw.choice((0, 0, 0, 3)),
        deeds=tuple(sorted(deeds, key=lambda deed: deed[0])),
    )


def _blows(draw: random.Random) -> Iterator[tuple[float, Blow]]:
    for _ in range(draw.choices((0, 1, 2), weights=(2, 4, 1))[0]):
        yield draw.uniform(0, LONGEST), draw.choice(list(Blow))
