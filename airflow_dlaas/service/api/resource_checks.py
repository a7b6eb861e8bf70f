"""The check of the resources that a definition requests, when it is submitted."""

from __future__ import annotations

from airflow_dlaas.contract.byte_size import format_bytes
from airflow_dlaas.contract.execution import Execution
from airflow_dlaas.exceptions import InvalidRequest
from airflow_dlaas.service.api.dependencies import ApiDeps

EXECUTION_FIELD = "model_definition.execution"


def require_possible_resources(deps: ApiDeps, execution: Execution) -> None:
    """
    Check that this service can ever provide the resources of *execution*.

    :raises InvalidRequest: C104; it cannot, and the message has what it has.
    """
    if execution.nodes is not None and execution.nodes > 1:
        raise InvalidRequest(
            f"{EXECUTION_FIELD}.nodes: this service runs a training on one machine, not on {execution.nodes}; leave "
            "the key out, and request the GPUs of one machine in resources.gpus",
            code="C104",
            target=f"{EXECUTION_FIELD}.nodes",
        )
    if execution.gpus > deps.gpu_slots:
        field = f"{EXECUTION_FIELD}.{'resources.gpus' if execution.resources is not None else 'resourceType'}"
        raise InvalidRequest(
            f"{field}: {execution.size_text} needs {execution.gpus} GPUs, and this service has {deps.gpu_slots}",
            code="C104",
            target=field,
        )
    resources = execution.resources
    if resources is None:
        return
    if deps.total_cpus is not None and resources.cpus is not None and resources.cpus > deps.total_cpus:
        raise _too_much("cpus", f"{resources.cpus:g} CPUs", f"{deps.total_cpus:g}", "DLAAS_CPUS")
    memory = resources.memory_bytes
    if deps.total_memory is not None and memory is not None and memory > deps.total_memory:
        raise _too_much("memory", f"{resources.memory} of memory", format_bytes(deps.total_memory), "DLAAS_MEMORY")


def _too_much(key: str, requested: str, available: str, setting: str) -> InvalidRequest:
    field = f"{EXECUTION_FIELD}.resources.{key}"
    message = f"{field}: {requested} are more than this service has for trainings ({available}, {setting})"
    return InvalidRequest(message, code="C104", target=field)
