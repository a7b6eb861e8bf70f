"""The events of a chaos run, drawn from a seed: the same seed gives the same events. Values only."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from tests.chaos.checkpoints.code.train import STYLES

STEPS, PAUSE = 240, 0.05
"""The steps of a training, and seconds for each: 12 seconds without checkpoints and without interruption."""

EVERY = {"renamed": 10, "shards": 20, "in-place": 60, "growing": 60}
"""Steps from one checkpoint to the next, by style. A file that is never renamed is complete when two looks, a second
apart, find it unchanged; it has to stay as it is for longer than that."""

EVENT_WINDOW = 16.0
"""Seconds from the start of a batch within which its events happen."""


class Kill(Enum):
    """An event of one training."""

    LEARNER = "its learner is killed"
    COMMAND = "its command is killed"
    BOTH = "its learner and its command are killed"
    SHUTDOWN = "its learner gets SIGTERM, as when the machine is shut down"


class SystemKill(Enum):
    """An event of all trainings."""

    SERVICE = "the service is killed"
    RESTART = "the service is stopped and started"
    MACHINE = "the machine is restarted"


@dataclass(frozen=True, slots=True)
class Round:
    """A training, and what happens to it."""

    number: int
    style: str
    events: tuple[tuple[float, Kill], ...]

    @property
    def every(self) -> int:
        """Steps from one checkpoint to the next."""
        return EVERY[self.style]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rounds at the same time, and what happens to all of them."""

    rounds: tuple[Round, ...]
    system_events: tuple[tuple[float, SystemKill], ...]


def batches(seed: int, rounds: int, at_once: int) -> Iterator[Batch]:
    """Draw *rounds* rounds in batches of *at_once*; the styles take turns."""
    draw = random.Random(seed)
    styles = list(STYLES)
    for first in range(0, rounds, at_once):
        numbers = range(first, min(first + at_once, rounds))
        chosen = tuple(_draw_round(draw, number + 1, styles[number % len(styles)]) for number in numbers)
        yield Batch(chosen, tuple(_draw_events(draw, SystemKill, weights=(2, 4, 2))))


def _draw_round(draw: random.Random, number: int, style: str) -> Round:
    return Round(number, style, tuple(_draw_events(draw, Kill, weights=(1, 4, 3))))


def _draw_events(draw: random.Random, kinds: type[Enum], weights: tuple[int, ...]) -> list:  # type: ignore[type-arg]
    """Draw as many events as an index of *weights*, ordered by their time."""
    [number] = draw.choices(range(len(weights)), weights)
    return sorted(
        ((draw.uniform(1.0, EVENT_WINDOW), draw.choice(list(kinds))) for _ in range(number)), key=lambda one: one[0]
    )
