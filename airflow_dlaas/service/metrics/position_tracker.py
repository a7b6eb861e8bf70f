"""Positions of the lines of one log, on an axis that goes on where the printed step starts again in each epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from airflow_dlaas.service.metrics.line_content import MAX_STEP, LineContent

EPOCH_AXIS, STEP_AXIS = "epoch", "step"

MAX_LOOPS = 64
"""Loops of different lengths that are distinguished in one log."""


class Position(NamedTuple):
    """An iteration, and what it counts: `EPOCH_AXIS`, `STEP_AXIS`, or None where it is unknown."""

    iteration: int
    axis: str | None


@dataclass(slots=True)
class _Loop:
    """A loop over a number of steps, which a training runs once or in each epoch."""

    epoch: int | None = None
    step: int = -1
    rounds: int = 0
    """How often the loop has started again, where no epoch is known."""
    goes_on: bool = False
    """Whether the step did not start again in the newest epoch."""


@dataclass(slots=True)
class PositionTracker:
    """Finds the position of each line of one log. The lines must be passed in order."""

    announced_epoch: int | None = None
    """The epoch of the last line that only announced it (``Epoch 2/5``)."""
    last: Position | None = None
    """The last position that a line has stated; it is also the one of a line that states none."""
    _first_epoch: int = 1
    """0 once epoch 0 was seen: some programs count from 0."""
    _fraction: float | None = None
    _fraction_count: int = 0
    _has_whole_fractions: bool = True
    _loops: dict[tuple[str, int], _Loop] = field(default_factory=dict)

    def announce(self, content: LineContent) -> None:
        """Remember the position of a line without values, for the lines after it."""
        self.locate(content, "")
        if content.epoch is not None and not content.is_fractional_epoch:
            self.announced_epoch = int(content.epoch)

    def locate(self, content: LineContent, loop: str) -> Position | None:
        """
        Return the position that a line states, and remember it; None if it states none.

        :param loop: distinguishes loops with the same number of steps, for example by their phase.
        """
        epoch = self._whole_epoch(content)
        if content.step is not None:
            step = content.step
            if content.total is not None and not content.is_global_step:
                step = self._continue(loop, epoch, step, content.total)
            self.last = Position(step, STEP_AXIS)
        elif epoch is not None:
            self.last = Position(epoch, EPOCH_AXIS)
        elif content.epoch is not None:
            self.last = self._position_of_fraction(content.epoch)
        else:
            return None
        return self.last

    def locate_bar(self, content: LineContent, loop: str, done: int, total: int | None) -> Position:
        """Return the position within an epoch of a progress bar that shows *done* of *total*."""
        if total is None:
            return Position(done, STEP_AXIS)
        epoch = self._whole_epoch(content)
        epoch = self.announced_epoch if epoch is None else epoch
        if epoch is not None:  # a bar starts again in each epoch, however few of its states are seen
            return Position(min(max(0, epoch - self._first_epoch) * total + done, MAX_STEP), STEP_AXIS)
        return Position(self._continue(f"bar {loop}", None, done, total), STEP_AXIS)

    def _whole_epoch(self, content: LineContent) -> int | None:
        if content.epoch is None or content.is_fractional_epoch:
            return None
        if content.epoch == 0:
            self._first_epoch = 0
        return int(content.epoch)

    def _continue(self, name: str, epoch: int | None, step: int, total: int) -> int:
        """Return *step* on an axis that goes on, if the loop starts again each epoch."""
        if (name, total) not in self._loops and len(self._loops) >= MAX_LOOPS:
            self._loops.clear()
        loop = self._loops.setdefault((name, total), _Loop())
        if epoch is None:
            loop.rounds += step < loop.step
            rounds = loop.rounds
        else:
            if loop.epoch is not None and epoch > loop.epoch:
                loop.goes_on = step > loop.step
            rounds = 0 if loop.goes_on else max(0, epoch - self._first_epoch)
        loop.epoch, loop.step = epoch, step
        return min(rounds * total + step, MAX_STEP)

    def _position_of_fraction(self, epoch: float) -> Position:
        """
        Return the position of an epoch with a fraction: how many different ones there were so far.

        Without the number of steps of an epoch, that is the only whole number that increases. It counts epochs as long
        as each epoch is a whole number and the next one.
        """
        if epoch != self._fraction:
            self._fraction, self._fraction_count = epoch, self._fraction_count + 1
            self._has_whole_fractions &= epoch == self._fraction_count
        return Position(self._fraction_count, EPOCH_AXIS if self._has_whole_fractions else STEP_AXIS)
