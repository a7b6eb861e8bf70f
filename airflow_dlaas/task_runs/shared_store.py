"""One object store per connection for all waits in an event loop."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_dlaas._util.shared import SharedPerLoop
from airflow_dlaas.hooks.object_store import LazyStore, make_store

if TYPE_CHECKING:
    from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection
    from airflow_dlaas.task_runs.wait_for_objects import ObjectQuery

MAX_CONCURRENT_POLLS = 4
"""Polls of one store at the same time: a slow store must not use up the threads that other triggers need."""


@dataclass(slots=True)
class SharedStore:
    """A store that all triggers of one connection share, with its token and its connections."""

    store: LazyStore
    semaphore: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONCURRENT_POLLS))

    async def poll(self, query: ObjectQuery) -> bool:
        """Return whether the objects of *query* exist."""
        from asgiref.sync import sync_to_async

        async with self.semaphore:
            # A thread of asgiref: hooks of other providers read their connections themselves, through the event loop.
            found: bool = await sync_to_async(self._poll, thread_sensitive=False)(query)
            return found

    def _poll(self, query: ObjectQuery) -> bool:
        return query.is_found(self.store.get())


_STORES: SharedPerLoop[ObjectStoreConnection, SharedStore] = SharedPerLoop(lambda shared: shared.store.close())


def shared_store(connection: ObjectStoreConnection) -> AbstractAsyncContextManager[SharedStore]:
    """Hold the store of *connection* during the block; the last holder closes it."""
    # Without retries: a transient error is retried by the next poll.
    return _STORES.hold(connection, lambda: SharedStore(LazyStore(lambda: make_store(connection, retry=False))))
