"""The resources that a stored definition requests. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.contract.resources import Resources


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
