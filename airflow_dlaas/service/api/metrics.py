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
from airflow_dlaas.service.api.dependencies import Owner, Parts, PartsOf
from airflow_dlaas.service.api.request_bodies import Id, reply
from airflow_dlaas.service.job_files import JobFolder
from airflow_dlaas.service.metrics.metrics_cache import Gatherings

router = APIRouter(prefix=training_report.PATH, tags=["training runs"])

LARGEST_OFFSET = 2**53
"""Bytes: more than any log has, and what every JSON reader can count to."""

Offset = Annotated[int, Query(ge=0, le=LARGEST_OFFSET)]
Size = Annotated[int, Query(ge=1, le=MAX_LOG_CHUNK_BYTES)]


def gatherings() -> Gatherings:
    """Make what keeps points between questions: one for each API."""
    return Gatherings(training_report.read_metric)


@router.get("/{training_id}/metrics", response_model=Curves)
def curves(
    request: Request,
    parts: PartsOf,
    owner: Owner,
    training_id: Id,
    points: Annotated[int, Query(ge=2, le=MAX_POINTS)] = DEFAULT_POINTS,
    unless: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """
    Tell every metric as a curve of at most *points* points (ours); of what is left out, spikes stay.

    With the last answer's `version` as *unless*, an answer without series says that nothing has changed.
    """
    job, ended = _look(parts, owner, training_id)
    kept: Gatherings = request.app.state.gatherings
    with _readable(training_id, "metrics"):
        return reply(kept.curves(job.metrics, points, unless, complete=ended))


@router.get("/{training_id}/log", response_model=LogChunk)
def log(
    parts: PartsOf,
    owner: Owner,
    training_id: Id,
    offset: Annotated[int | None, Query(ge=0, le=LARGEST_OFFSET)] = None,
    limit: Size = log_slices.PIECE,
    tail: Annotated[int | None, Query(ge=1, le=MAX_LOG_CHUNK_BYTES)] = None,
) -> Response:
    """Tell whole lines of the log (ours): from byte *offset* on, *limit* bytes at most; or the last *tail* bytes."""
    if offset is not None and tail is not None:
        raise InvalidRequest(
            "tail: goes without offset: it counts from the end", code="invalid_query_parameter_value", target="tail"
        )
    job, ended = _look(parts, owner, training_id)
    with _readable(training_id, "log"):
        if tail is not None:
            return reply(log_slices.last(job.log, limit=tail, ended=ended))
        return reply(log_slices.window(job.log, start=offset or 0, limit=limit, ended=ended))


@router.get("/{training_id}/log/search", response_model=LogMatches)
def search(
    parts: PartsOf,
    owner: Owner,
    training_id: Id,
    text: Annotated[str, Query(min_length=1, max_length=200)],
    offset: Offset = 0,
) -> Response:
    """Find *text* in the log's lines, whatever its case (ours); `next` says from which byte to look on."""
    job, _ = _look(parts, owner, training_id)
    with _readable(training_id, "log"):
        return reply(log_slices.search(job.log, text, start=offset))


@contextmanager
def _readable(training_id: str, what: str) -> Iterator[None]:
    """Refuse where the file is there and cannot be read (a directory, a loop of links): asking again does not help."""
    try:
        yield
    except OSError as error:
        raise NotFound(f"The {what} of training {training_id} cannot be read: {error.strerror}") from error


def _look(parts: Parts, owner: str, training_id: str) -> tuple[JobFolder, bool]:
    """Find the job's folder; whether it had ended, asked before its files are read: all it wrote is there then."""
    ended = parts.store.training(owner, training_id).state.is_final
    return JobFolder(parts.jobs / training_id), ended
