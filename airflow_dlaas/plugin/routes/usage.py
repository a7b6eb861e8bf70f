"""The resources that a training used over time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.client import calls
from airflow_dlaas.contract.curves import MAX_POINTS
from airflow_dlaas.contract.usage_history import DEFAULT_USAGE_POINTS
from airflow_dlaas.exceptions import NotFound
from airflow_dlaas.plugin import responses
from airflow_dlaas.plugin.response_models import UsageResponse
from airflow_dlaas.plugin.routes.dependencies import AirflowApiDep, LookupDep, QueryText, TaskInstanceDep

router = APIRouter()

NO_USAGE = UsageResponse(series=[], complete=True)
"""For a service without this extension, and for a training that the service does not have any more."""


@router.get("/usage")
async def get_usage(
    api: AirflowApiDep,
    lookup: LookupDep,
    ref: TaskInstanceDep,
    training_id: QueryText,
    points: Annotated[int, Query(ge=2, le=MAX_POINTS)] = DEFAULT_USAGE_POINTS,
) -> UsageResponse:
    """Return CPU, memory and GPU use as series; none where the service has no history of it."""
    found = await lookup.resolve_connection(api, ref, training_id)
    if found.source == "task" and not found.is_unavailable:
        return NO_USAGE
    found.require_service()
    call = calls.get_usage_history(training_id, points=points)
    try:
        history = await run_in_threadpool(lookup.service_clients.send, found.conn_id, call)
    except NotFound:
        return NO_USAGE
    return responses.usage_response(history)
