"""Route of a training's metrics as curves (an extension: `Extensions.curves`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from airflow_dlaas.contract.curves import DEFAULT_POINTS, MAX_POINTS, Curves
from airflow_dlaas.service.api import training_report
from airflow_dlaas.service.api.dependencies import Deps, Owner
from airflow_dlaas.service.api.job_access import find_job, not_found_if_unreadable
from airflow_dlaas.service.api.request_bodies import TrainingId, json_response
from airflow_dlaas.service.metrics.metrics_cache import MetricsCache

router = APIRouter(prefix=training_report.MODELS_PATH, tags=["trainings"])


def create_metrics_cache() -> MetricsCache:
    """Return the cache of metric points between requests. Each API has one."""
    return MetricsCache(training_report.parse_metric)


@router.get("/{training_id}/metrics", response_model=Curves, summary="Get the metrics as curves")
def get_curves(
    request: Request,
    deps: Deps,
    owner: Owner,
    training_id: TrainingId,
    points: Annotated[int, Query(ge=2, le=MAX_POINTS, description="Points of each curve at most")] = DEFAULT_POINTS,
    unless: Annotated[str | None, Query(max_length=100, description="The `version` of the previous response")] = None,
) -> Response:
    """
    Return each metric of a training as a curve (extension).

    A curve with more than `points` points is downsampled; its spikes stay. If the metrics have not changed since the
    response with the version `unless`, the response has no `series`.
    """
    job, ended = find_job(deps, owner, training_id)
    cache: MetricsCache = request.app.state.metrics_cache
    with not_found_if_unreadable(training_id, "metrics"):
        return json_response(cache.curves(job.metrics, points, unless, complete=ended))
