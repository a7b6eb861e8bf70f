"""The resources of a training in its status: what it requested, what it was given, and what it used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_dlaas.contract.base import ApiList, ApiModel
from airflow_dlaas.contract.resources import Resources


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


def requested_amounts(definition: Mapping[str, Any], gpus: int) -> ResourceAmounts:
    """
    Return what *definition*, a valid one as JSON, requests.

    :param gpus: its number of GPUs, which a size of 2017 gives too.
    :raises ValueError: it is not valid.
    """
    execution = definition.get("model_definition", {}).get("execution", {})
    if (resources := execution.get("resources")) is None:
        return ResourceAmounts(gpus=gpus)
    found = Resources.model_validate(resources)
    return ResourceAmounts(
        gpus=gpus, cpus=found.cpus, memory=found.memory_bytes, shared_memory=found.shared_memory_bytes
    )
