"""What tasks have left in Airflow of their trainings, read as the user who looks."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_dlaas.plugin.airflow_api_client import Denied, PublicApi
from airflow_dlaas.task_runs.run_key import MARK, Tag, task_digest, task_digest_of_form_1
from airflow_dlaas.task_runs.summary import SUMMARY

PAGE = 100
"""Entries asked for at once: what ``[api] maximum_page_limit`` allows by default."""

TASKS = 2000
"""The newest tasks of a run that are looked through for the one that has submitted a training."""

AT_ONCE = 8
"""Requests to Airflow's API that are under way together for one page."""

KEPT = 5000
"""Values kept in memory. An XCom that is written anew has another time, and so is another one."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A task instance, as Airflow names it."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @property
    def digests(self) -> frozenset[str]:
        """What a training's tag says of the task it was submitted for, when it is this one: in either form."""
        names = (self.dag_id, self.run_id, self.task_id, self.map_index)
        return frozenset({task_digest(*names), task_digest_of_form_1(*names)})


@dataclass(frozen=True, slots=True)
class Mark:
    """Which training a task says it is about."""

    ref: Ref
    connection: str
    id: str | None
    written: str = ""
    """When the task wrote it; empty where that was not asked for."""
    airflow: str | None = None
    """The Airflow that its trainings are tagged with, as `Tag.airflow`; None where it is not known."""

    @classmethod
    def read(cls, ref: Ref, value: Any, written: str = "") -> Mark | None:
        """Read what is no more than text that somebody wrote; None where it says nothing to us."""
        match value:
            case {"connection": str(connection), **rest}:
                training_id = rest.get("id")
                airflow = _airflow_of(rest.get("key"))
                return cls(ref, connection, training_id if isinstance(training_id, str) else None, written, airflow)
            case _:
                return None


class Marks:
    """
    Reads marks and summaries.

    Which there are is asked of Airflow for each user anew; only their values are kept, so nobody is ever shown what
    Airflow did not list for them just now.
    """

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[Ref, str, str], Any] = OrderedDict()

    async def of_task(self, api: PublicApi, ref: Ref) -> Mark | None:
        """Find the mark of one task; None where it has left none. `Denied` where the user may not read it."""
        return Mark.read(ref, await self._read(api, ref, MARK))

    async def summary(self, api: PublicApi, mark: Mark) -> Mapping[str, Any] | None:
        """Find what a task has kept of its training; what was kept with a mark stays as long as the mark does."""
        key = (mark.ref, SUMMARY, mark.written)
        value = self._values.get(key) if mark.written else None
        if value is None:
            value = await self._read(api, mark.ref, SUMMARY)
            if mark.written and value is not None:
                self._keep(key, value)
        return value if isinstance(value, Mapping) else None

    async def listed(self, api: PublicApi, dag_id: str, run_id: str, *, limit: int) -> list[Mark]:
        """List the newest marks, in all DAGs or runs where *dag_id* or *run_id* is ``~``."""
        entries = await _entries(api, dag_id, run_id, limit)
        turns = asyncio.Semaphore(AT_ONCE)

        async def value(entry: Mapping[str, Any]) -> Mark | None:
            ref = _ref(entry)
            key = (ref, MARK, str(entry["timestamp"]))
            if key not in self._values:
                async with turns:
                    self._keep(key, await self._read(api, ref, MARK))
            return Mark.read(ref, self._values.get(key), str(entry["timestamp"]))

        found = await asyncio.gather(*(value(entry) for entry in entries))
        return [mark for mark in found if mark is not None]

    async def tasks(self, api: PublicApi, dag_id: str, run_id: str) -> set[str]:
        """Name the tasks of a run that have left marks, by their digests, two of each; the marks are not read."""
        entries = await _entries(api, dag_id, run_id, TASKS)
        return {digest for entry in entries for digest in _ref(entry).digests}

    def _keep(self, key: tuple[Ref, str, str], value: Any) -> None:
        self._values[key] = value
        while len(self._values) > KEPT:
            self._values.popitem(last=False)

    async def _read(self, api: PublicApi, ref: Ref, key: str) -> Any:
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
        except Denied as error:
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


def _airflow_of(key: Any) -> str | None:
    try:
        return Tag.of_key(key).airflow if isinstance(key, str) else None
    except ValueError:
        return None


def _ref(entry: Mapping[str, Any]) -> Ref:
    return Ref(entry["dag_id"], entry["run_id"], entry["task_id"], entry["map_index"])


async def _entries(api: PublicApi, dag_id: str, run_id: str, limit: int) -> Sequence[Mapping[str, Any]]:
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
            xcom_key=MARK,
            order_by="-timestamp",
            limit=min(PAGE, limit - len(found)),
            offset=len(found),
        )
        entries = page["xcom_entries"]
        found.extend(entries)
        if not entries or len(found) >= page["total_entries"]:
            break
    return [entry for entry in found if entry["key"] == MARK]
