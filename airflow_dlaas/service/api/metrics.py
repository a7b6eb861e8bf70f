"""A training's curves and log in pieces that a page can show (ours; `Extensions.curves`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from airflow_dlaas.contract.curves import DEFAULT_POINTS, MAX_LOG_CHUNK_BYTES, MAX_POINTS, Curves, LogChunk, LogMatches
from airflow_dlaas.exceptions import InvalidRequest, NotFound
from airflow_dlaas.service.api import log_slices, training_report
from airflow_dlaas.service.api.dependencies import ApiDeps, Deps, Owner
from airflow_dlaas.service.api.request_bodies import PathId, json_response
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.metrics.metrics_cache import MetricsCache

router = APIRouter(prefix=training_report.MODELS_PATH, tags=["training runs"])

MAX_OFFSET = 2**53
"""Bytes: more than any log has, and what every JSON reader can count to."""

Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET)]
SliceSize = Annotated[int, Query(ge=1, le=MAX_LOG_CHUNK_BYTES)]


def create_metrics_cache() -> MetricsCache:
    """Make what keeps points between questions: one for each API."""
    return MetricsCache(training_report.parse_metric)


@router.get("/{training_id}/metrics", response_model=Curves)
def get_curves(
    request: Request,
    deps: Deps,
    owner: Owner,
    training_id: PathId,
    points: Annotated[int, Query(ge=2, le=MAX_POINTS)] = DEFAULT_POINTS,
    unless: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """
    Tell every metric as a curve of at most *points* points (ours); of what is left out, spikes stay.

    With the last answer's `version` as *unless*, an answer without series says that nothing has changed.
    """
    job, ended = _find_job(deps, owner, training_id)
    kept: MetricsCache = request.app.state.metrics_cache
    with _not_found_if_unreadable(training_id, "metrics"):
        return json_response(kept.curves(job.metrics, points, unless, complete=ended))


@router.get("/{training_id}/log", response_model=LogChunk)
def get_log(
    deps: Deps,
    owner: Owner,
    training_id: PathId,
    offset: Annotated[int | None, Query(ge=0, le=MAX_OFFSET)] = None,
    limit: SliceSize = log_slices.DEFAULT_SLICE_SIZE,
    tail: Annotated[int | None, Query(ge=1, le=MAX_LOG_CHUNK_BYTES)] = None,
) -> Response:
    """Tell whole lines of the log (ours): from byte *offset* on, *limit* bytes at most; or the last *tail* bytes."""
    if offset is not None and tail is not None:
        raise InvalidRequest(
            "tail: goes without offset: it counts from the end", code="invalid_query_parameter_value", target="tail"
        )
    job, ended = _find_job(deps, owner, training_id)
    with _not_found_if_unreadable(training_id, "log"):
        if tail is not None:
            return json_response(log_slices.read_tail(job.log, limit=tail, ended=ended))
        return json_response(log_slices.read_slice(job.log, start=offset or 0, limit=limit, ended=ended))


@router.get("/{training_id}/log/search", response_model=LogMatches)
def search_log(
    deps: Deps,
    owner: Owner,
    training_id: PathId,
    text: Annotated[str, Query(min_length=1, max_length=200)],
    offset: Offset = 0,
) -> Response:
    """Find *text* in the log's lines, whatever its case (ours); `next` says from which byte to look on."""
    job, _ = _find_job(deps, owner, training_id)
    with _not_found_if_unreadable(training_id, "log"):
        return json_response(log_slices.search(job.log, text, start=offset))


@contextmanager
def _not_found_if_unreadable(training_id: str, what: str) -> Iterator[None]:
    """Refuse where the file is there and cannot be read (a directory, a loop of links): asking again does not help."""
    try:
        yield
    except OSError as error:
        raise NotFound(f"The {what} of training {training_id} cannot be read: {error.strerror}") from error


def _find_job(deps: ApiDeps, owner: str, training_id: str) -> tuple[JobDirectory, bool]:
    """Find the job's folder; whether it had ended, asked before its files are read: all it wrote is there then."""
    ended = deps.store.get_training(owner, training_id).state.is_final
    return JobDirectory(deps.jobs_dir / training_id), ended
