"""The curves of a training."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.client import calls
from airflow_dlaas.contract.curves import DEFAULT_POINTS, MAX_POINTS, Curves, Series
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import DlaasError, NotFound
from airflow_dlaas.plugin import responses
from airflow_dlaas.plugin.lookup import LookupResult
from airflow_dlaas.plugin.response_models import CurvesResponse
from airflow_dlaas.plugin.routes.dependencies import AirflowApiDep, LookupDep, QueryText, TaskInstanceDep

router = APIRouter()


@router.get("/curves")
async def get_curves(
    api: AirflowApiDep,
    lookup: LookupDep,
    ref: TaskInstanceDep,
    training_id: QueryText,
    points: Annotated[int, Query(ge=2, le=MAX_POINTS)] = DEFAULT_POINTS,
    unless: Annotated[str | None, Query(max_length=100)] = None,
) -> CurvesResponse:
    """Return the curves of a training; without series while their version is still *unless*."""
    found = await lookup.resolve_connection(api, ref, training_id)
    if found.source == "task":
        return responses.curves_response(_stored_curves(found))
    call = calls.get_curves(training_id, points=points, known_version=unless)
    try:
        curves = await run_in_threadpool(lookup.service_clients.send, found.conn_id, call)
    except DlaasError as error:
        # A service without this extension answers 404, and has the last values only. Where the ownership was cached,
        # the training may be gone, or the service may not answer any more: a full lookup finds the task's summary.
        if found.training is not None and not isinstance(error, NotFound):
            raise
        found = await lookup.require_for_task(api, ref, training_id)
        if found.source == "task" or found.training is None:
            return responses.curves_response(_stored_curves(found))
        curves = _curves_from_metrics(found.training)
    return responses.curves_response(curves)


def _stored_curves(found: LookupResult) -> Curves:
    return found.curves or Curves(version="none", series=(), complete=True)


def _curves_from_metrics(training: Training) -> Curves:
    """Return a point for each last value in the training's status."""
    series = [
        Series(
            name=value.name,
            phase=metric.phase,
            axis=metric.axis,
            progress=bool(metric.progress),
            total=1,
            points=((float(metric.iteration), value.value, metric.timestamp.timestamp()),),
        )
        for metric in training.status.metrics
        for value in metric.values
    ]
    newest = max((metric.timestamp.timestamp() for metric in training.status.metrics), default=0.0)
    return Curves(version=str(newest), series=tuple(series), complete=training.state.is_final)
