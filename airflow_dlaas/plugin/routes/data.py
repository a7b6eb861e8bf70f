"""The training data that a training read: the list of its objects, and the comparison with another training."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.contract.data_manifest import DataManifest
from airflow_dlaas.exceptions import ObjectNotFound
from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.data_objects import InvalidManifest, compare_data, data_objects, parse_manifest
from airflow_dlaas.plugin.lookup import TrainingLookup
from airflow_dlaas.plugin.response_models import DataComparison, DataObjects
from airflow_dlaas.plugin.result_stores import ResultStores
from airflow_dlaas.plugin.results import ResultsUnavailable, find_results
from airflow_dlaas.plugin.routes.dependencies import (
    AirflowApiDep,
    LookupDep,
    QueryText,
    ResultStoresDep,
    TaskInstanceDep,
)
from airflow_dlaas.plugin.xcoms import TaskInstanceRef

router = APIRouter(prefix="/data")


@router.get("")
async def list_data(
    api: AirflowApiDep, lookup: LookupDep, stores: ResultStoresDep, ref: TaskInstanceDep, training_id: QueryText
) -> DataObjects:
    """List the objects of training data that a training read."""
    return data_objects(await _read_manifest(api, lookup, stores, ref, training_id))


@router.get("/compare")
async def compare(
    api: AirflowApiDep,
    lookup: LookupDep,
    stores: ResultStoresDep,
    ref: TaskInstanceDep,
    training_id: QueryText,
    other_run_id: QueryText,
    other_task_id: QueryText,
    other_training_id: QueryText,
    other_map_index: Annotated[int, Query(ge=-1)] = -1,
) -> DataComparison:
    """Compare the training data with that of another training of the same DAG: what this one has and that one not."""
    # Airflow's API checks that the user may read the other task, too.
    other_ref = TaskInstanceRef(ref.dag_id, other_run_id, other_task_id, other_map_index)
    own = await _read_manifest(api, lookup, stores, ref, training_id)
    other = await _read_manifest(api, lookup, stores, other_ref, other_training_id)
    return await run_in_threadpool(compare_data, own, other)


async def _read_manifest(
    api: AirflowApiClient, lookup: TrainingLookup, stores: ResultStores, ref: TaskInstanceRef, training_id: str
) -> DataManifest:
    results = await find_results(api, lookup, stores, ref, training_id)
    try:
        return parse_manifest(await run_in_threadpool(results.read_data_manifest))
    except ObjectNotFound:
        raise ResultsUnavailable(
            f"Training {training_id} has stored no list of the training data that it read"
        ) from None
    except InvalidManifest as error:
        raise ResultsUnavailable(str(error)) from None
