"""Route of the resources that a training used over time (an extension: `Extensions.usage_history`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from airflow_dlaas.contract.curves import MAX_POINTS
from airflow_dlaas.contract.usage_history import DEFAULT_USAGE_POINTS, UsageHistory
from airflow_dlaas.service.api import training_report
from airflow_dlaas.service.api.dependencies import Deps, Owner
from airflow_dlaas.service.api.job_access import find_job, not_found_if_unreadable
from airflow_dlaas.service.api.request_bodies import TrainingId, json_response
from airflow_dlaas.service.metrics.usage_series import read_usage_history

router = APIRouter(prefix=training_report.MODELS_PATH, tags=["trainings"])


@router.get("/{training_id}/usage", response_model=UsageHistory, summary="Get the resource usage over time")
def get_usage(
    deps: Deps,
    owner: Owner,
    training_id: TrainingId,
    points: Annotated[
        int, Query(ge=2, le=MAX_POINTS, description="Points of each series at most")
    ] = DEFAULT_USAGE_POINTS,
) -> Response:
    """
    Return CPU, memory and GPU use of a training's command, from its start until now or until its end (extension).

    A series with more than `points` points is downsampled; its peaks stay. The history is kept until the training is
    deleted.
    """
    job, ended = find_job(deps, owner, training_id)
    with not_found_if_unreadable(training_id, "resource usage"):
        return json_response(read_usage_history(job.usage_history, points, complete=ended))
