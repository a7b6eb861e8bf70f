"""The results of a training: the list of its files, previews and downloads."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.plugin.response_models import ResultFiles, TextPreview
from airflow_dlaas.plugin.result_files import download_headers, image_type, preview_kind
from airflow_dlaas.plugin.results import find_results
from airflow_dlaas.plugin.routes.dependencies import (
    NO_STORE,
    AirflowApiDep,
    LookupDep,
    QueryText,
    ResultStoresDep,
    TaskInstanceDep,
)

router = APIRouter(prefix="/results")

FileName = Annotated[str, Query(min_length=1, max_length=1024)]


@router.get("")
async def list_results(
    api: AirflowApiDep, lookup: LookupDep, stores: ResultStoresDep, ref: TaskInstanceDep, training_id: QueryText
) -> ResultFiles:
    """List the files that a training stored, by name."""
    results = await find_results(api, lookup, stores, ref, training_id)
    return await run_in_threadpool(results.list_files)


@router.get("/preview")
async def preview_result(
    api: AirflowApiDep,
    lookup: LookupDep,
    stores: ResultStoresDep,
    ref: TaskInstanceDep,
    training_id: QueryText,
    name: FileName,
) -> TextPreview:
    """Return the beginning of a file of text."""
    if preview_kind(name) != "text":
        raise HTTPException(415, "This file is not shown as text: download it")
    results = await find_results(api, lookup, stores, ref, training_id)
    return await run_in_threadpool(results.preview, name)


@router.get("/download")
async def download_result(
    api: AirflowApiDep,
    lookup: LookupDep,
    stores: ResultStoresDep,
    ref: TaskInstanceDep,
    training_id: QueryText,
    name: FileName,
    inline: bool = False,
) -> StreamingResponse:
    """Return a file to be saved; with *inline*, an image to be shown. Other files are never shown inline."""
    results = await find_results(api, lookup, stores, ref, training_id)
    size, chunks = await run_in_threadpool(results.open, name)
    image = image_type(name) if inline else None
    return StreamingResponse(
        chunks,
        media_type=image or "application/octet-stream",
        headers={
            **download_headers(name.rpartition("/")[2], inline=image is not None),
            **NO_STORE,
            "Content-Length": str(size),
        },
    )
