"""The log of a training."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.client import calls
from airflow_dlaas.contract.curves import MAX_LOG_CHUNK_BYTES, LogChunk, LogMatches
from airflow_dlaas.plugin.routes.dependencies import AirflowApiDep, LookupDep, QueryText, TaskInstanceDep

router = APIRouter(prefix="/log")

ChunkBytes = Annotated[int | None, Query(ge=1, le=MAX_LOG_CHUNK_BYTES)]


@router.get("")
async def get_log(
    api: AirflowApiDep,
    lookup: LookupDep,
    ref: TaskInstanceDep,
    training_id: QueryText,
    offset: Annotated[int | None, Query(ge=0)] = None,
    limit: ChunkBytes = None,
    tail: ChunkBytes = None,
) -> LogChunk:
    """Return whole lines: up to *limit* bytes from byte *offset* on, or the last *tail* bytes."""
    found = await lookup.resolve_connection(api, ref, training_id)
    found.require_service()
    call = calls.get_log(training_id, offset=offset, limit=limit, tail=tail)
    return await run_in_threadpool(lookup.service_clients.send, found.conn_id, call)


@router.get("/search")
async def search_log(
    api: AirflowApiDep,
    lookup: LookupDep,
    ref: TaskInstanceDep,
    training_id: QueryText,
    text: QueryText,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> LogMatches:
    """Return the lines that contain *text*, from byte *offset* on; the service searches a part of a long log."""
    found = await lookup.resolve_connection(api, ref, training_id)
    found.require_service()
    call = calls.search_log(training_id, text, offset=offset)
    return await run_in_threadpool(lookup.service_clients.send, found.conn_id, call)
