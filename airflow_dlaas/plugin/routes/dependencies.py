"""What the routes share: Airflow's API with the user's permissions, the lookup, and the task instance in the query."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, HTTPException, Query, Request, Response

from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.lookup import TrainingLookup
from airflow_dlaas.plugin.result_stores import ResultStores
from airflow_dlaas.plugin.xcoms import TaskInstanceRef

QueryText = Annotated[str, Query(min_length=1, max_length=500)]

require_edit_access = requires_access_dag("PUT", DagAccessEntity.TASK_INSTANCE)
"""Raises HTTPException 403 unless the user may edit task instances of the DAG in the query or the path."""


NO_STORE = {"Cache-Control": "no-store"}
"""Keeps data of one user out of the caches of the browser and of proxies."""


def forbid_caching(response: Response) -> None:
    """Add `NO_STORE`; a route that returns a response of its own adds it itself."""
    response.headers.update(NO_STORE)


def require_json(request: Request) -> None:
    """Refuse a request of another content type: a form of another site cannot send this one."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise HTTPException(415, "The content type must be application/json")


async def _airflow_api(request: Request, user: GetUserDep) -> AirflowApiClient:
    return AirflowApiClient.from_request(request, user.get_id())


async def _lookup(request: Request) -> TrainingLookup:
    lookup: TrainingLookup = request.app.state.lookup
    return lookup


async def _result_stores(request: Request) -> ResultStores:
    stores: ResultStores = request.app.state.result_stores
    return stores


async def _task_instance_from_query(
    dag_id: QueryText, run_id: QueryText, task_id: QueryText, map_index: Annotated[str, Query()] = "-1"
) -> TaskInstanceRef:
    # For a task that is not mapped, Airflow's UI sends its placeholder "{MAP_INDEX}" unchanged.
    index = int(map_index) if map_index.isascii() and map_index.isdecimal() and len(map_index) < 9 else -1
    return TaskInstanceRef(dag_id, run_id, task_id, index)


def _has_edit_access(request: Request, user: GetUserDep) -> bool:
    """Return whether `require_edit_access` lets the user pass."""
    try:
        require_edit_access(request, user)
    except HTTPException:
        return False
    return True


AirflowApiDep = Annotated[AirflowApiClient, Depends(_airflow_api)]
"""Airflow's API with the permissions of the user; a request without a user is refused with 401."""
LookupDep = Annotated[TrainingLookup, Depends(_lookup)]
ResultStoresDep = Annotated[ResultStores, Depends(_result_stores)]
EditAccessDep = Annotated[bool, Depends(_has_edit_access)]
"""Whether the user may edit task instances of the DAG in the query."""
TaskInstanceDep = Annotated[TaskInstanceRef, Depends(_task_instance_from_query)]
