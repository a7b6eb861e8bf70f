"""Lists of trainings: of a run, of a DAG, of all DAGs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from airflow_dlaas.plugin.response_models import TrainingList
from airflow_dlaas.plugin.routes.dependencies import AirflowApiDep, LookupDep, QueryText

router = APIRouter()

ListLimit = Annotated[int, Query(ge=1, le=500)]

ALL = "~"
"""Stands for all DAGs, or all runs, in Airflow's API."""


@router.get("/run")
async def list_of_run(
    api: AirflowApiDep, lookup: LookupDep, dag_id: QueryText, run_id: QueryText, limit: ListLimit = 200
) -> TrainingList:
    """List the trainings of a run."""
    return await lookup.list_task_trainings(api, dag_id, run_id, limit)


@router.get("/dag")
async def list_of_dag(api: AirflowApiDep, lookup: LookupDep, dag_id: QueryText, limit: ListLimit = 200) -> TrainingList:
    """List the trainings of all runs of a DAG."""
    return await lookup.list_task_trainings(api, dag_id, ALL, limit)


@router.get("/trainings")
async def list_all(api: AirflowApiDep, lookup: LookupDep, limit: ListLimit = 200, dag_id: str = ALL) -> TrainingList:
    """List the trainings of all DAGs that the user may read."""
    return await lookup.list_task_trainings(api, dag_id or ALL, ALL, limit)
