"""What the service has for its trainings. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_dlaas.service.dispatcher.free_resources import UNLIMITED, Capacity
from airflow_dlaas.service.store.maintenance import MaintenanceState

NO_MAINTENANCE = MaintenanceState()


@dataclass(frozen=True, slots=True)
class Supply:
    """GPU slots, CPUs and memory, and what of them may not be used now."""

    slots: Sequence[str]
    """The names of all GPU slots."""
    capacity: Capacity = UNLIMITED
    """CPUs and memory; trainings hold theirs as long as their slots."""
    maintenance: MaintenanceState = NO_MAINTENANCE
    """While the service is drained, the queue waits; a cordoned slot counts as held. Neither concerns started
    trainings, nor makes a queued one fail."""
