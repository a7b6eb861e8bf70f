"""
The states of a training, and the transitions between them as a table.

All code that depends on the order of states uses `TRANSITIONS`; no other module has a list of states.
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
        """Whether *other* can directly follow this state."""
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
    """A finer state within `pending` and `running` (an extension: shown beside the v3 state, never instead of it)."""

    QUEUED = "queued"
    """Waits for GPUs."""
    PREPARING = "preparing"
    """The runtime's environment is being installed; only the first training of a runtime has this phase."""
    RECOVERING = "recovering"
    """
    The learner was lost, or the command ended with an exit code to recover from; the next attempt waits for GPUs.

    The state stays as it was, `running` or `pending`, and so it does while the next attempt prepares its runtime again.
    """
    LOADING = "loading"
    """Training data is being loaded, also while the environment is still being installed."""
    PROCESSING = "processing"
    """The command runs."""
    STORING = "storing"
    """Model and logs are being stored."""

    def __str__(self) -> str:
        return self.value
