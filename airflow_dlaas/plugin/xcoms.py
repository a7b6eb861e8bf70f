"""What tasks have left in Airflow of their trainings, read as the user who looks."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient, AirflowApiError
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY, RunKey, task_digest, task_digest_v1
from airflow_dlaas.task_runs.summary import SUMMARY_XCOM_KEY

PAGE_SIZE = 100
"""Entries asked for at once: what ``[api] maximum_page_limit`` allows by default."""

MAX_TASKS = 2000
"""The newest tasks of a run that are looked through for the one that has submitted a training."""

MAX_CONCURRENT_REQUESTS = 8
"""Requests to Airflow's API that are under way together for one page."""

MAX_CACHED_VALUES = 5000
"""Values kept in memory. An XCom that is written anew has another time, and so is another one."""


@dataclass(frozen=True, slots=True)
class TaskInstanceRef:
    """A task instance, as Airflow names it."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @property
    def task_digests(self) -> frozenset[str]:
        """What a training's tag says of the task it was submitted for, when it is this one: in either form."""
        names = (self.dag_id, self.run_id, self.task_id, self.map_index)
        return frozenset({task_digest(*names), task_digest_v1(*names)})


@dataclass(frozen=True, slots=True)
class TrainingXCom:
    """Which training a task says it is about."""

    ref: TaskInstanceRef
    conn_id: str
    training_id: str | None
    written_at: str = ""
    """When the task wrote it; empty where that was not asked for."""
    airflow_digest: str | None = None
    """The Airflow that its trainings are tagged with, as `RunKey.airflow_digest`; None where it is not known."""

    @classmethod
    def parse(cls, ref: TaskInstanceRef, value: Any, written_at: str = "") -> TrainingXCom | None:
        """Read what is no more than text that somebody wrote; None where it says nothing to us."""
        match value:
            case {"connection": str(connection), **rest}:
                training_id = rest.get("id")
                airflow = _airflow_digest(rest.get("key"))
                return cls(ref, connection, training_id if isinstance(training_id, str) else None, written_at, airflow)
            case _:
                return None


class TrainingXComReader:
    """
    Reads marks and summaries.

    Which there are is asked of Airflow for each user anew; only their values are kept, so nobody is ever shown what
    Airflow did not list for them just now.
    """

    def __init__(self) -> None:
        self._cache: OrderedDict[tuple[TaskInstanceRef, str, str], Any] = OrderedDict()

    async def get(self, api: AirflowApiClient, ref: TaskInstanceRef) -> TrainingXCom | None:
        """Find the mark of one task; None where it has left none. `AirflowApiError` where the user may not read it."""
        return TrainingXCom.parse(ref, await self._get_value(api, ref, TRAINING_XCOM_KEY))

    async def get_summary(self, api: AirflowApiClient, xcom: TrainingXCom) -> Mapping[str, Any] | None:
        """Find what a task has kept of its training; what was kept with a mark stays as long as the mark does."""
        key = (xcom.ref, SUMMARY_XCOM_KEY, xcom.written_at)
        value = self._cache.get(key) if xcom.written_at else None
        if value is None:
            value = await self._get_value(api, xcom.ref, SUMMARY_XCOM_KEY)
            if xcom.written_at and value is not None:
                self._cache_value(key, value)
        return value if isinstance(value, Mapping) else None

    async def list_recent(self, api: AirflowApiClient, dag_id: str, run_id: str, *, limit: int) -> list[TrainingXCom]:
        """List the newest marks, in all DAGs or runs where *dag_id* or *run_id* is ``~``."""
        entries = await _list_entries(api, dag_id, run_id, limit)
        turns = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)

        async def value(entry: Mapping[str, Any]) -> TrainingXCom | None:
            ref = _task_instance_ref(entry)
            key = (ref, TRAINING_XCOM_KEY, str(entry["timestamp"]))
            if key not in self._cache:
                async with turns:
                    self._cache_value(key, await self._get_value(api, ref, TRAINING_XCOM_KEY))
            return TrainingXCom.parse(ref, self._cache.get(key), str(entry["timestamp"]))

        found = await asyncio.gather(*(value(entry) for entry in entries))
        return [mark for mark in found if mark is not None]

    async def list_task_digests(self, api: AirflowApiClient, dag_id: str, run_id: str) -> set[str]:
        """Name the tasks of a run that have left marks, by their digests, two of each; the marks are not read."""
        entries = await _list_entries(api, dag_id, run_id, MAX_TASKS)
        return {digest for entry in entries for digest in _task_instance_ref(entry).task_digests}

    def _cache_value(self, key: tuple[TaskInstanceRef, str, str], value: Any) -> None:
        self._cache[key] = value
        while len(self._cache) > MAX_CACHED_VALUES:
            self._cache.popitem(last=False)

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
