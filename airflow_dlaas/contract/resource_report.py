"""The resources of a training in its status: what it requested, what it was given, and what it used."""

from __future__ import annotations

from airflow_dlaas.contract.base import ApiList, ApiModel


class ResourceAmounts(ApiModel):
    """Amounts of resources. One that is absent is not limited, or not known."""

    gpus: int | None = None
    cpus: float | None = None
    """CPUs; of used ones, the mean while the command ran."""
    memory: int | None = None
    """Bytes; of used memory, the highest amount."""
    shared_memory: int | None = None
    """Bytes."""


class ResourceReport(ApiModel):
    """
    The resources of a training.

    ``enforced`` lists the amounts of ``given`` that the machine enforces; a command can exceed the others.
    """

    requested: ResourceAmounts
    """As in the definition; a size of 2017 is a number of GPUs."""
    given: ResourceAmounts | None = None
    """From its start on: with the defaults of the service."""
    used: ResourceAmounts | None = None
    """So far, or in all after the end."""
    enforced: ApiList[str] = ()
    """``cpus``, ``memory``, ``shared_memory``."""
    enforced_by: str | None = None
    """``cgroup v2``, ``cgroup v1``, ``container``, or ``none: `` and the reason. A sandbox enforces ``shared_memory``
    alone."""
