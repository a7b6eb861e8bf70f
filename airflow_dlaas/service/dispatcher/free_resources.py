"""The CPUs and the memory of the service, and what trainings take of them. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace

from airflow_dlaas.contract.byte_size import format_bytes
from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.service.requested_resources import requested_amounts
from airflow_dlaas.service.store.records import TrainingRecord

DEFAULT_CPUS = 1.0
"""CPUs of a training with neither GPUs nor CPUs in its definition: without a number, any number of them would run."""

ROUNDING = 1e-6
"""CPUs; sums of fractions are not exact."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """CPUs, and bytes of memory. None means that they are not counted."""

    cpus: float | None = None
    memory: int | None = None

    def without(self, amounts: ResourceAmounts) -> Capacity:
        """Return what is left if a training takes *amounts*; it may be below zero."""
        return replace(
            self,
            cpus=None if self.cpus is None else self.cpus - (amounts.cpus or 0.0),
            memory=None if self.memory is None else self.memory - (amounts.memory or 0),
        )

    def missing(self, amounts: ResourceAmounts) -> str | None:
        """Return what is too little for *amounts*, as the end of a sentence; None if they fit."""
        if self.cpus is not None and amounts.cpus is not None and amounts.cpus > self.cpus + ROUNDING:
            return f"needs {amounts.cpus:g} CPUs, and the service has {self.cpus:g}"
        if self.memory is not None and amounts.memory is not None and amounts.memory > self.memory:
            return f"needs {format_bytes(amounts.memory)} of memory, and the service has {format_bytes(self.memory)}"
        return None


UNLIMITED = Capacity()


def given_amounts(training: TrainingRecord, total: Capacity) -> ResourceAmounts:
    """
    Return what *training* is given, which is what it takes of *total*: as requested, with the service's defaults.

    A definition that cannot be read takes its slots only.
    """
    try:
        requested = requested_amounts(training.definition, training.slots)
    except (ValueError, TypeError, AttributeError):
        return ResourceAmounts(gpus=training.slots)
    if requested.cpus is not None or training.slots:
        return requested
    cpus = DEFAULT_CPUS if total.cpus is None else min(DEFAULT_CPUS, total.cpus)
    return requested.model_copy(update={"cpus": cpus})
