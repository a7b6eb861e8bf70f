"""A task instance and its training; cancel."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.client import calls
from airflow_dlaas.exceptions import DlaasError, NotConfigured
from airflow_dlaas.plugin import responses
from airflow_dlaas.plugin.lookup import LookupResult, TrainingLookup
from airflow_dlaas.plugin.response_models import (
    CancelRequest,
    CancelResponse,
    TaskInstanceStatus,
    TaskResponse,
    TrainingDetail,
)
from airflow_dlaas.plugin.routes.dependencies import (
    AirflowApiDep,
    EditAccessDep,
    LookupDep,
    QueryText,
    TaskInstanceDep,
    require_edit_access,
    require_json,
)
from airflow_dlaas.plugin.task_instances import get_task_instance, rendered_definition
from airflow_dlaas.plugin.xcoms import TaskInstanceRef

router = APIRouter()


@router.get("/task")
async def get_task(
    api: AirflowApiDep,
    lookup: LookupDep,
    ref: TaskInstanceDep,
    may_edit: EditAccessDep,
    training_id: str | None = None,
) -> TaskResponse:
    """Return a task instance, its tries, and the training *training_id* of it, by default the current one."""
    instance = await get_task_instance(api, ref)
    found = await lookup.find_for_task(api, ref, training_id)
    tries, listing_error = await lookup.list_tries(found) if found else ([], None)
    definition = rendered_definition(instance)
    return TaskResponse(
        ref=ref,
        task=TaskInstanceStatus(
            state=instance.get("state"),
            operator=instance.get("operator"),
            try_number=instance.get("try_number") or 0,
            max_tries=instance.get("max_tries") or 0,
        ),
        tries=responses.tries(tries, found.current_id if found else None),
        training=await _training_detail(lookup, found, definition) if found else None,
        may_edit=may_edit,
        annotations=await _has_annotations(lookup, found),
        service_error=(found.service_error if found else None) or listing_error,
    )


@router.post("/cancel", status_code=202, dependencies=[Depends(require_edit_access), Depends(require_json)])
async def cancel(api: AirflowApiDep, lookup: LookupDep, dag_id: QueryText, body: CancelRequest) -> CancelResponse:
    """Cancel a training. The user needs the permission to edit task instances of *dag_id*."""
    # The DAG comes from the query only: that is the DAG for which Airflow checked the permission.
    ref = TaskInstanceRef(dag_id, body.run_id, body.task_id, body.map_index)
    found = await lookup.require_for_task(api, ref, body.training_id)
    found.require_service()
    await run_in_threadpool(lookup.service_clients.send, found.conn_id, calls.cancel_training(body.training_id))
    return CancelResponse()


async def _training_detail(lookup: TrainingLookup, found: LookupResult, definition: Any) -> TrainingDetail | None:
    if found.training is None:
        return None
    tensorboard_url = await run_in_threadpool(_tensorboard_url, lookup, found.conn_id)
    return responses.training_detail(
        found.ref, found.conn_id, found.training, definition, source=found.source, tensorboard_url=tensorboard_url
    )


def _tensorboard_url(lookup: TrainingLookup, conn_id: str) -> str | None:
    try:
        return lookup.service_clients.get_connection(conn_id).tensorboard_url
    except NotConfigured:  # the request to the service reported this already
        return None


async def _has_annotations(lookup: TrainingLookup, found: LookupResult | None) -> bool:
    if found is None or found.training is None or found.source == "task":
        return False
    try:
        return await run_in_threadpool(lookup.service_clients.has_annotations, found.conn_id)
    except DlaasError:  # the page shows the training without them
        return False
