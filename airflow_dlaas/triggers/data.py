"""The trigger that waits for objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dlaas.hooks.swift import SwiftHook, make_store

if TYPE_CHECKING:
    from airflow_dlaas.hooks.connections import SwiftConnection
    from airflow_dlaas.storage.swift.store import SwiftStore
    from airflow_dlaas.task_runs.wait_for_objects import ObjectQuery

MAX_CONCURRENT_POLLS = 4
"""Looks at one store at a time: a store that is slow to answer does not use up the threads that others need too."""


class ObjectTrigger(BaseTrigger):
    """
    Looks for objects until they are there, or until *deadline* on the wall clock.

    The deadline is wall-clock time because a trigger is stored and may wake up in another process. All triggers of
    one connection share one store, with its token and its connections.

    :param container: the container; it may be missing yet.
    :param swift_conn_id: the connection to the object store.
    :param name: the object; None looks for others.
    :param prefix: the folder in which to look for *min_count* objects, whatever their names.
    :param poke_interval: seconds between two looks.
    :param deadline: seconds since the epoch; None waits as long as it takes.
    :param deferred_at: when the task was deferred, in seconds since the epoch; see `first_event`.
    """

    def __init__(
        self,
        *,
        container: str,
        swift_conn_id: str,
        name: str | None = None,
        prefix: str = "",
        min_count: int = 1,
        poke_interval: float = 60.0,
        deadline: float | None = None,
        deferred_at: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.container = container
        self.swift_conn_id = swift_conn_id
        self.name = name
        self.prefix = prefix
        self.min_count = min_count
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.deferred_at = deferred_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make this trigger again, in another process."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "container": self.container,
                "swift_conn_id": self.swift_conn_id,
                "name": self.name,
                "prefix": self.prefix,
                "min_count": self.min_count,
                "poke_interval": self.poke_interval,
                "deadline": self.deadline,
                "deferred_at": self.deferred_at,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Report that it is there, that the time is up, or what went wrong; `reported` reads it."""
        from airflow_dlaas.task_runs.first_event import wait_before_first_event
        from airflow_dlaas.task_runs.trigger_events import error_event
        from airflow_dlaas.task_runs.wait_for_objects import ObjectQuery, poll_until_found

        sought = ObjectQuery(self.container, self.name, self.prefix, self.min_count)
        try:
            async with _shared_store(await SwiftHook(self.swift_conn_id).aget_swift_connection()) as lent:
                report = await poll_until_found(
                    lambda: lent.poll(sought), interval=self.poke_interval, deadline=self.deadline, say=self.log.info
                )
        except Exception as error:  # noqa: BLE001 - carried to the worker: Airflow does not name the cause of one that escapes
            report = error_event(error)
        await wait_before_first_event(self.deferred_at)
        yield TriggerEvent(report)  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class _SharedStore:
    """A store that all triggers of one connection use."""

    store: SwiftStore
    semaphore: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONCURRENT_POLLS))
    ref_count: int = 0

    async def poll(self, query: ObjectQuery) -> bool:
        async with self.semaphore:
            return await asyncio.to_thread(query.is_found, self.store)


_SHARED_STORES: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[SwiftConnection, _SharedStore]] = WeakKeyDictionary()
# Touched only from the loop it belongs to, and never across an await: no lock is needed.


@asynccontextmanager
async def _shared_store(connection: SwiftConnection) -> AsyncIterator[_SharedStore]:
    stores = _SHARED_STORES.setdefault(asyncio.get_running_loop(), {})
    lent = stores.get(connection)
    if lent is None:
        lent = stores[connection] = _SharedStore(make_store(connection, retry=False))
    lent.ref_count += 1
    try:
        yield lent
    finally:
        lent.ref_count -= 1
        if not lent.ref_count:
            del stores[connection]
            lent.store.close()
