"""The log of a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.client import calls
from airflow_dlaas.client.calls import Call
from airflow_dlaas.contract.curves import MAX_LOG_CHUNK_BYTES, LogChunk, LogMatches
from airflow_dlaas.exceptions import DlaasError, NotFound
from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.lookup import TrainingLookup, TrainingNotFound, TrainingUnavailable
from airflow_dlaas.plugin.result_files import download_headers
from airflow_dlaas.plugin.result_stores import ResultStores
from airflow_dlaas.plugin.results import LOG_NAME, ResultFolder, ResultsUnavailable, find_results
from airflow_dlaas.plugin.routes.dependencies import (
    NO_STORE,
    AirflowApiDep,
    LookupDep,
    QueryText,
    ResultStoresDep,
    TaskInstanceDep,
)
from airflow_dlaas.plugin.xcoms import TaskInstanceRef

router = APIRouter(prefix="/log")

T = TypeVar("T")

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


@router.get("/download")
async def download_log(
    api: AirflowApiDep, lookup: LookupDep, stores: ResultStoresDep, ref: TaskInstanceDep, training_id: QueryText
) -> StreamingResponse:
    """Return the whole log so far, to be saved; the stored one if the service has none."""
    first = await from_service_or_results(
        api,
        lookup,
        stores,
        ref,
        call=calls.get_log(training_id, offset=0, limit=MAX_LOG_CHUNK_BYTES),
        training_id=training_id,
        read_results=lambda results: results.open(LOG_NAME)[1],
    )
    if isinstance(first, LogChunk):
        conn_id = (await lookup.resolve_connection(api, ref, training_id)).conn_id
        content = _remaining_log(first, lambda call: lookup.service_clients.send(conn_id, call), training_id)
    else:
        content = first
    return StreamingResponse(
        content,
        media_type="text/plain; charset=utf-8",
        headers={**download_headers(f"{training_id}.log"), **NO_STORE},
    )


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


async def from_service_or_results(
    api: AirflowApiClient,
    lookup: TrainingLookup,
    stores: ResultStores,
    ref: TaskInstanceRef,
    *,
    training_id: str,
    call: Call[LogChunk],
    read_results: Callable[[ResultFolder], T],
) -> LogChunk | T:
    """
    Return the service's response to *call*, or else what *read_results* finds in the stored log.

    :raises DlaasError: neither has it.
    :raises ResultsUnavailable: the service does not have the training any more, and there are no results.
    """
    try:
        found = await lookup.resolve_connection(api, ref, training_id)
        found.require_service()
        return await run_in_threadpool(lookup.service_clients.send, found.conn_id, call)
    except (DlaasError, TrainingNotFound, TrainingUnavailable) as error:
        try:
            results = await find_results(api, lookup, stores, ref, training_id)
            return await run_in_threadpool(read_results, results)
        except ResultsUnavailable:
            if isinstance(error, (NotFound, TrainingNotFound)):
                raise  # where the log could be now
            raise error from None
        except (DlaasError, TrainingNotFound, TrainingUnavailable):
            raise error from None


def _remaining_log(chunk: LogChunk, send: Callable[[Call[LogChunk]], LogChunk], training_id: str) -> Iterator[bytes]:
    """Yield the log from *chunk*, its first portion, up to the size that it had then."""
    size = chunk.size
    while True:
        yield chunk.text.encode("utf-8", "replace")
        start = chunk.end
        if start >= size:
            return
        chunk = send(calls.get_log(training_id, offset=start, limit=MAX_LOG_CHUNK_BYTES))
        if chunk.end <= start:
            return  # the last line is not complete yet
