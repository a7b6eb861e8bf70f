"""Routes of a training's log: slices and search (an extension: `Extensions.curves`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from airflow_dlaas.contract.curves import MAX_LOG_CHUNK_BYTES, LogChunk, LogMatches
from airflow_dlaas.exceptions import InvalidRequest
from airflow_dlaas.service.api import log_slices, training_report
from airflow_dlaas.service.api.dependencies import Deps, Owner
from airflow_dlaas.service.api.job_access import find_job, not_found_if_unreadable
from airflow_dlaas.service.api.request_bodies import TrainingId, json_response

router = APIRouter(prefix=training_report.MODELS_PATH, tags=["trainings"])

MAX_OFFSET = 2**53
"""Bytes: more than any log has, and the largest integer that every JSON parser reads exactly."""


@router.get("/{training_id}/log", response_model=LogChunk, summary="Read a slice of the log")
def get_log(
    deps: Deps,
    owner: Owner,
    training_id: TrainingId,
    offset: Annotated[int | None, Query(ge=0, le=MAX_OFFSET, description="First byte of the slice")] = None,
    limit: Annotated[
        int, Query(ge=1, le=MAX_LOG_CHUNK_BYTES, description="Bytes of the slice at most")
    ] = log_slices.DEFAULT_SLICE_SIZE,
    tail: Annotated[
        int | None,
        Query(ge=1, le=MAX_LOG_CHUNK_BYTES, description="Read the last bytes, this many at most; not with `offset`"),
    ] = None,
) -> Response:
    """Return whole lines of the log (extension): from byte `offset` on, or the last ones."""
    if offset is not None and tail is not None:
        raise InvalidRequest(
            "tail: cannot be combined with offset: it counts from the end",
            code="invalid_query_parameter_value",
            target="tail",
        )
    job, ended = find_job(deps, owner, training_id)
    with not_found_if_unreadable(training_id, "log"):
        if tail is not None:
            return json_response(log_slices.read_tail(job.log, limit=tail, ended=ended))
        return json_response(log_slices.read_slice(job.log, start=offset or 0, limit=limit, ended=ended))


@router.get("/{training_id}/log/search", response_model=LogMatches, summary="Search the log")
def search_log(
    deps: Deps,
    owner: Owner,
    training_id: TrainingId,
    text: Annotated[
        str, Query(min_length=1, max_length=200, description="Text to find, without regard to upper and lower case")
    ],
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET, description="Byte at which the search begins")] = 0,
) -> Response:
    """Return the lines of the log that contain `text` (extension); `next` is the offset at which to continue."""
    job, _ = find_job(deps, owner, training_id)
    with not_found_if_unreadable(training_id, "log"):
        return json_response(log_slices.search(job.log, text, start=offset))
