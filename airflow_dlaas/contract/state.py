"""
The life of a training, as a table.

Everything that depends on what may follow what is asked of `TRANSITIONS`; nothing else in the package
lists states by hand.
"""

from __future__ import annotations

from enum import Enum


class TrainingState(str, Enum):
    """The states of the v3 API. `canceled` has one l."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    ERROR = "error"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether no other state can follow."""
        return not TRANSITIONS[self]

    def can_transition_to(self, other: TrainingState) -> bool:
        """Whether *other* may directly follow this state."""
        return other in TRANSITIONS[self]

    def __str__(self) -> str:
        return self.value


TRANSITIONS: dict[TrainingState, frozenset[TrainingState]] = {
    TrainingState.PENDING: frozenset({TrainingState.RUNNING, TrainingState.ERROR, TrainingState.CANCELED}),
    TrainingState.RUNNING: frozenset({TrainingState.COMPLETED, TrainingState.ERROR, TrainingState.CANCELED}),
    TrainingState.COMPLETED: frozenset(),
    TrainingState.ERROR: frozenset(),
    TrainingState.CANCELED: frozenset(),
}


class Phase(str, Enum):
    """The finer state inside `pending` and `running` (ours: shown beside the v3 state, never instead of it)."""

    QUEUED = "queued"
    """Waits for GPUs."""
    PREPARING = "preparing"
    """The runtime's environment is being made; only the first training of a runtime sees this."""
    LOADING = "loading"
    """Code and training data are brought in place."""
    PROCESSING = "processing"
    """The command runs."""
    STORING = "storing"
    """Model and logs are being stored."""

    def __str__(self) -> str:
        return self.value
