"""What one line of a log states about a training. A value without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_STEP = 10**15
"""Up to this, a float represents every integer exactly; a larger number is no step."""

MAX_VALUES_PER_LINE = 32
"""Maximum number of values from one line."""


@dataclass(slots=True)
class LineContent:
    """The position in the training that a line states, and its values of metrics."""

    epoch: float | None = None
    is_fractional_epoch: bool = False
    """Whether the epoch is printed with a fraction (``1.0``): a share of the data, and no count."""
    step: int | None = None
    total: int | None = None
    """The number after the step's slash: the steps of an epoch, or of the whole training."""
    is_global_step: bool = False
    """Whether the step is stated to count through all epochs."""
    values: dict[tuple[str, str], float] = field(default_factory=dict)
    """Values by phase and name; the phase is the one of the heading before the name, empty without one."""

    @property
    def has_position(self) -> bool:
        """Whether there is an epoch or a step."""
        return self.epoch is not None or self.step is not None

    def add_value(self, phase: str, name: str, value: float) -> None:
        """Add a value, unless there are too many."""
        if len(self.values) < MAX_VALUES_PER_LINE:
            self.values[phase, name] = value

    def set_epoch(self, epoch: float, *, is_fractional: bool) -> None:
        """Set the epoch, unless it can be none."""
        if 0 <= epoch <= MAX_STEP:
            self.epoch, self.is_fractional_epoch = epoch, is_fractional

    def set_step(self, step: float, total: int | None = None, *, is_global: bool = False) -> None:
        """Set the step, unless it can be none, or a global step is known."""
        if 0 <= step <= MAX_STEP and (is_global or not self.is_global_step):
            self.step, self.total, self.is_global_step = int(step), total or None, is_global
