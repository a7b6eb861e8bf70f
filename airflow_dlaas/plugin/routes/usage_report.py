"""The GPU-hours of the services whose trainings a user may read, for the list of all trainings."""

from __future__ import annotations

import asyncio
from enum import Enum

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from airflow_dlaas.client import calls
from airflow_dlaas.contract.usage_report import UsageGrouping, UsageReport
from airflow_dlaas.exceptions import DlaasError, MethodNotAllowed, NotFound
from airflow_dlaas.plugin import usage_rows
from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.lookup import TrainingLookup
from airflow_dlaas.plugin.routes.dependencies import AirflowApiDep, LookupDep
from airflow_dlaas.plugin.routes.listings import ALL
from airflow_dlaas.plugin.usage_models import UsageReports

router = APIRouter()

MAX_XCOMS = 200
"""The newest trainings whose connections are asked."""

DAGS_PER_REQUEST = 100
MAX_DAG_REQUESTS = 50


class PageGrouping(str, Enum):
    """What the rows stand for. Users of a service are no choice: their names are logins, which stay in Airflow."""

    DAG = "dag"
    STATE = "state"


@router.get("/usage_report")
async def get_usage_report(api: AirflowApiDep, lookup: LookupDep, by: PageGrouping = PageGrouping.DAG) -> UsageReports:
    """Return the GPU-hours of the last 30 days; the hours of DAGs that the user may not read have no name."""
    connections = await _list_connections(api, lookup)
    call = calls.get_usage_report(by=UsageGrouping(by.value))

    def send(conn_id: str) -> UsageReport | str | None:
        try:
            return lookup.service_clients.send(conn_id, call)
        except (NotFound, MethodNotAllowed):
            return None  # a service without this extension
        except DlaasError as error:
            return f"{conn_id}: {error}"

    answers = await asyncio.gather(*(run_in_threadpool(send, conn_id) for conn_id in connections))
    names = await _list_dag_ids(api) if by is PageGrouping.DAG else None
    return UsageReports(
        reports=[
            usage_rows.service_usage(conn_id, report, names)
            for conn_id, report in zip(connections, answers, strict=True)
            if isinstance(report, UsageReport)
        ],
        service_errors=[answer for answer in answers if isinstance(answer, str)],
    )


async def _list_connections(api: AirflowApiClient, lookup: TrainingLookup) -> list[str]:
    """Return the connections of the newest trainings that the user may read; of equal ones, only the first."""
    xcoms = await lookup.xcoms.list_recent(api, ALL, ALL, limit=MAX_XCOMS)

    def unique(conn_ids: list[str]) -> list[str]:
        found: dict[object, str] = {}
        for conn_id in conn_ids:
            try:
                found.setdefault(lookup.service_clients.get_connection(conn_id), conn_id)
            except DlaasError:  # noqa: PERF203 - one invalid connection must not hide the others
                found.setdefault(conn_id, conn_id)  # the request to it has the error
        return list(found.values())

    return await run_in_threadpool(unique, sorted({xcom.conn_id for xcom in xcoms}))


async def _list_dag_ids(api: AirflowApiClient) -> frozenset[str]:
    """Return the ids of the DAGs that the user may read."""
    found: set[str] = set()
    for number in range(MAX_DAG_REQUESTS):
        page = await api.get("dags", limit=DAGS_PER_REQUEST, offset=number * DAGS_PER_REQUEST, exclude_stale="false")
        found.update(dag["dag_id"] for dag in page["dags"])
        if not page["dags"] or (number + 1) * DAGS_PER_REQUEST >= page["total_entries"]:
            break
    return frozenset(found)
