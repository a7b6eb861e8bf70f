"""Why a training failed, as far as its log shows it."""

from __future__ import annotations

from fastapi import APIRouter

from airflow_dlaas.client import calls
from airflow_dlaas.plugin.failure import find_failure
from airflow_dlaas.plugin.response_models import Failure
from airflow_dlaas.plugin.results import LOG_NAME
from airflow_dlaas.plugin.routes.dependencies import (
    AirflowApiDep,
    LookupDep,
    QueryText,
    ResultStoresDep,
    TaskInstanceDep,
)
from airflow_dlaas.plugin.routes.log import from_service_or_results

router = APIRouter()

TAIL_BYTES = 64 * 1024
"""Bytes at the end of the log in which the reason is searched."""


@router.get("/failure")
async def get_failure(
    api: AirflowApiDep, lookup: LookupDep, stores: ResultStoresDep, ref: TaskInstanceDep, training_id: QueryText
) -> Failure:
    """Return the last lines of the log, and the last error in it; from the stored log if the service has none."""
    tail = await from_service_or_results(
        api,
        lookup,
        stores,
        ref,
        call=calls.get_log(training_id, tail=TAIL_BYTES),
        training_id=training_id,
        read_results=lambda results: results.read_end(LOG_NAME, TAIL_BYTES),
    )
    if isinstance(tail, bytes):
        # The first line may be incomplete.
        text = tail.decode("utf-8", "replace")
        return find_failure(text.partition("\n")[2] if len(tail) == TAIL_BYTES else text)
    return find_failure(tail.text)
