"""Reads task instances, with the permissions of the user who sent the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.xcoms import TaskInstanceRef


async def get_task_instance(api: AirflowApiClient, ref: TaskInstanceRef) -> dict[str, Any]:
    """
    Return a task instance as Airflow's API has it.

    :raises AirflowApiError: the user may not read it, or it does not exist.
    """
    path = ("dags", ref.dag_id, "dagRuns", ref.run_id, "taskInstances", ref.task_id)
    instance: dict[str, Any] = await api.get(*path, *((str(ref.map_index),) if ref.map_index >= 0 else ()))
    return instance


def rendered_definition(instance: Mapping[str, Any]) -> Any:
    """Return the training definition as the task rendered it; None where the task has none, or has not run."""
    return (instance.get("rendered_fields") or {}).get("definition")


def rendered_store_parts(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a task that are stores of its definition, as the task rendered them."""
    fields = instance.get("rendered_fields") or {}
    return {name: fields.get(name) for name in ("training_data", "training_results")}
