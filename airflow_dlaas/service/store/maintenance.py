"""Whether the service is drained, and which GPUs are cordoned: records, and the interface of their store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MaintenanceRecord:
    """Since when something is drained or cordoned, and why."""

    since: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MaintenanceState:
    """What the dispatcher may not use."""

    drain: MaintenanceRecord | None = None
    """Present if no training may be started."""
    cordons: Mapping[str, MaintenanceRecord] = field(default_factory=dict)
    """The cordoned GPUs, by name. They may include GPUs that the service does not have."""

    def describe(self) -> Iterator[str]:
        """Yield a sentence for each restriction, for the service's log."""
        if self.drain is not None:
            yield (
                f"The service is drained since {_describe(self.drain)}: no training is started until "
                "airflow-dlaas drain off"
            )
        for name, cordon in sorted(self.cordons.items()):
            yield (
                f"GPU {name} is cordoned since {_describe(cordon)}: no training gets it until "
                f"airflow-dlaas gpus uncordon {name}"
            )


class MaintenanceStore(Protocol):
    """The maintenance of a service. Thread-safe; each change is one durable transaction."""

    def get(self) -> MaintenanceState:
        """Return what is drained and cordoned; cheap enough to be called several times a second."""

    def drain(self, reason: str, now: datetime) -> None:
        """Drain the service; a repetition changes the reason only. No training is started after the return."""

    def end_drain(self) -> None:
        """End the drain, if there is one."""

    def cordon(self, gpu: str, reason: str, now: datetime) -> None:
        """Cordon *gpu*; a repetition changes the reason only. No training gets it after the return."""

    def uncordon(self, gpu: str) -> bool:
        """End the cordon of *gpu*; return whether there was one."""

    def list_held_gpus(self) -> frozenset[str]:
        """Return the names of the GPUs that trainings hold."""


def _describe(record: MaintenanceRecord) -> str:
    reason = f" ({record.reason})" if record.reason else ""
    return f"{record.since:%Y-%m-%d %H:%M} UTC{reason}"
