"""Reads the XComs that tasks write about their trainings, with the permissions of the user who sent the request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient, AirflowApiError
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY, RunKey, task_digest, task_digest_v1
from airflow_dlaas.task_runs.summary import SUMMARY_XCOM_KEY

PAGE_SIZE = 100
"""Entries of one request: the default of ``[api] maximum_page_limit``."""

MAX_TASKS = 2000
"""How many of a run's newest tasks are searched for the one that submitted a training."""

MAX_CONCURRENT_REQUESTS = 8
"""Concurrent requests to Airflow's API for one page."""

MAX_CACHED_VALUES = 5000
"""XCom values in the cache. The time of writing is in the key: an XCom that is written again is read again."""


@dataclass(frozen=True, slots=True)
class TaskInstanceRef:
    """The names that identify a task instance in Airflow; the map index is -1 where the task is not mapped."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @property
    def task_digests(self) -> frozenset[str]:
        """The digests of this task instance in the tags of its trainings, in both versions of the tag."""
        names = (self.dag_id, self.run_id, self.task_id, self.map_index)
        return frozenset({task_digest(*names), task_digest_v1(*names)})


@dataclass(frozen=True, slots=True)
class TrainingXCom:
    """The XCom in which a task names its training."""

    ref: TaskInstanceRef
    conn_id: str
    training_id: str | None
    written_at: str = ""
    """When the task wrote it; empty where the request did not return it."""
    airflow_digest: str | None = None
    """The Airflow that its trainings are tagged with, as `RunKey.airflow_digest`; None where it is not known."""

    @classmethod
    def parse(cls, ref: TaskInstanceRef, value: Any, written_at: str = "") -> TrainingXCom | None:
        """Parse an XCom's value, which any task may have written; None where it does not have the expected form."""
        match value:
            case {"connection": str(connection), **rest}:
                training_id = rest.get("id")
                airflow = _airflow_digest(rest.get("key"))
                return cls(ref, connection, training_id if isinstance(training_id, str) else None, written_at, airflow)
            case _:
                return None


class TrainingXComReader:
    """
    Reads the XComs with training ids and those with summaries.

    Each request lists the XComs anew, with the user's permissions, and only values are cached: a user receives only
    values of XComs that Airflow listed for this user within the same request.
    """

    def __init__(self) -> None:
        self._cache: MutableMapping[tuple[TaskInstanceRef, str, str], Any] = LRUCache(MAX_CACHED_VALUES)

    async def get(self, api: AirflowApiClient, ref: TaskInstanceRef) -> TrainingXCom | None:
        """
        Read the XCom of one task, without the cache; None where the task wrote none.

        :raises AirflowApiError: the user may not read it.
        """
        return TrainingXCom.parse(ref, await self._get_value(api, ref, TRAINING_XCOM_KEY))

    async def get_summary(self, api: AirflowApiClient, xcom: TrainingXCom) -> Mapping[str, Any] | None:
        """Read the summary that a task stored of its training; it is cached for as long as *xcom* is not rewritten."""
        key = (xcom.ref, SUMMARY_XCOM_KEY, xcom.written_at)
        value = self._cache.get(key) if xcom.written_at else None
        if value is None:
            value = await self._get_value(api, xcom.ref, SUMMARY_XCOM_KEY)
            if xcom.written_at and value is not None:
                self._cache[key] = value
        return value if isinstance(value, Mapping) else None

    async def list_recent(self, api: AirflowApiClient, dag_id: str, run_id: str, *, limit: int) -> list[TrainingXCom]:
        """List the newest XComs, of all DAGs or all runs where *dag_id* or *run_id* is ``~``."""
        entries = await _list_entries(api, dag_id, run_id, limit)
        concurrency = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)

        async def read(entry: Mapping[str, Any]) -> TrainingXCom | None:
            ref, written_at = _task_instance_ref(entry), str(entry["timestamp"])
            key = (ref, TRAINING_XCOM_KEY, written_at)
            if key in self._cache:
                return TrainingXCom.parse(ref, self._cache[key], written_at)
            async with concurrency:
                value = self._cache[key] = await self._get_value(api, ref, TRAINING_XCOM_KEY)
            return TrainingXCom.parse(ref, value, written_at)

        found = await asyncio.gather(*(read(entry) for entry in entries))
        return [xcom for xcom in found if xcom is not None]

    async def list_task_digests(self, api: AirflowApiClient, dag_id: str, run_id: str) -> set[str]:
        """Return the digests, two for each, of the tasks of a run that named a training; no XCom value is read."""
        entries = await _list_entries(api, dag_id, run_id, MAX_TASKS)
        return {digest for entry in entries for digest in _task_instance_ref(entry).task_digests}

    async def _get_value(self, api: AirflowApiClient, ref: TaskInstanceRef, key: str) -> Any:
        try:
            entry = await api.get(
                "dags",
                ref.dag_id,
                "dagRuns",
                ref.run_id,
                "taskInstances",
                ref.task_id,
                "xcomEntries",
                key,
                map_index=ref.map_index,
            )
        except AirflowApiError as error:
            if error.status == 404:
                return None
            raise
        value = entry.get("value")
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                return None
        return value


def _airflow_digest(key: Any) -> str | None:
    try:
        return RunKey.parse(key).airflow_digest if isinstance(key, str) else None
    except ValueError:
        return None


def _task_instance_ref(entry: Mapping[str, Any]) -> TaskInstanceRef:
    return TaskInstanceRef(entry["dag_id"], entry["run_id"], entry["task_id"], entry["map_index"])


async def _list_entries(api: AirflowApiClient, dag_id: str, run_id: str, limit: int) -> Sequence[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    while len(found) < limit:
        page = await api.get(
            "dags",
            dag_id,
            "dagRuns",
            run_id,
            "taskInstances",
            "~",
            "xcomEntries",
            xcom_key=TRAINING_XCOM_KEY,
            order_by="-timestamp",
            limit=min(PAGE_SIZE, limit - len(found)),
            offset=len(found),
        )
        entries = page["xcom_entries"]
        found.extend(entries)
        if not entries or len(found) >= page["total_entries"]:
            break
    return [entry for entry in found if entry["key"] == TRAINING_XCOM_KEY]
