"""
What a watch asks its service, when, and how little of it will do.

Where the service offers it (`Extensions.changes`) the question is a long poll, and an answer comes when something
changed; else the list is looked at from time to time, and what it does not hold is asked for by id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Protocol, TypeVar

from airflow_dlaas.client import calls
from airflow_dlaas.client.aside import run_in_daemon_thread
from airflow_dlaas.client.calls import Call
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.protocol import NO_RETRY, RequestRetryPolicy
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import ApiError, DlaasError, InvalidRequest, MethodNotAllowed, NotFound, ProtocolError

_log = logging.getLogger(__name__)

T = TypeVar("T")

POLL_BACKOFF = RequestRetryPolicy(initial_delay=1, max_delay=30)
"""The pauses between questions that got no answer; there is no last one."""

LONG_POLL_TIMEOUT = 20
"""Seconds the service may hold a question back: shorter than what proxies and load balancers cut off (30 to 60)."""

REFRESH_INTERVAL = 300.0
"""Seconds after which trainings are asked for though nothing was heard: one may be deleted, a store restored."""

_PAGE_SIZE = 100  # trainings a page
_MAX_REQUESTS_BY_ID = 10  # trainings not found yet for which another page is cheaper than asking by id
_MAX_PAGES = 20
_MIN_POLL_INTERVAL = 0.25  # seconds between two questions that were answered with changes
_MIN_IDLE_POLL_INTERVAL = 1.0  # and with none, should the service not wait as it was asked to
_BATCH_INTERVAL = 0.05  # seconds in which arrivals count as one
_PER_TRAINING_ERRORS = (NotFound, InvalidRequest, MethodNotAllowed, ProtocolError)


class Subscriptions(Protocol):
    """Where it stands what is waited for, and where answers are put."""

    def ids(self, *, new: bool) -> Collection[str]:
        """All that are waited for, or those of which nothing is known yet."""

    def publish(self, training: Training) -> None:
        """Take note of *training*, if anybody waits for it."""

    def fail(self, training_id: str, error: BaseException) -> None:
        """End the waits for a training with *error*."""


class TrainingPoller:
    """
    Asks for what is on a board, in one task, until that is canceled."""

    def __init__(self, client: Client, subscriptions: Subscriptions, *, interval: float) -> None:
        self._client = client
        self._subscriptions = subscriptions
        self._interval = interval
        self.last_error: str | None = None
        """Why nothing is heard, in a sentence; None while answers come."""
        self.wakeup = asyncio.Event()
        """Set by whoever puts something on the board."""

    async def run(self) -> None:
        """Ask on and on. Ends only with an error that waiting can't cure, and that concerns everybody."""
        extensions = await self._retry_transient(partial(run_in_daemon_thread, lambda: self._client.extensions))
        listening = asyncio.Event()
        listen = self._poll_updates(listening, changes=extensions.changes)
        parts = [asyncio.create_task(self._poll_new(listening)), asyncio.create_task(listen)]
        try:
            await asyncio.gather(*parts)
        finally:
            for part in parts:
                part.cancel()

    async def _poll_new(self, listener_ready: asyncio.Event) -> None:
        """Ask for those that have just come; the listener hears of changes only."""
        # Not before it has its cursor: what changes between our question and the cursor would go unheard.
        await listener_ready.wait()
        while True:
            await self.wakeup.wait()
            await asyncio.sleep(_BATCH_INTERVAL)
            self.wakeup.clear()
            await self._retry_transient(partial(self._poll_once, new=True))

    async def _poll_updates(self, listener_ready: asyncio.Event, *, changes: bool) -> None:
        if changes:
            try:
                await self._long_poll_changes(listener_ready)
            except _PER_TRAINING_ERRORS as error:
                _log.warning("%s does not tell changes as it says (%s); looking instead", self._client.url, error)
        listener_ready.set()
        while True:
            await asyncio.sleep(self._interval)
            await self._retry_transient(partial(self._poll_once, new=False))

    async def _long_poll_changes(self, listener_ready: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        cursor, wait, looked = calls.CURSOR_NOW, 0, clock()
        while True:
            asked = clock()
            answer = await self._retry_transient(partial(self._send, calls.list_changes(cursor, wait)))
            for training in answer.resources:
                self._subscriptions.publish(training)
            if unreadable := answer.unreadable_ids.intersection(self._subscriptions.ids(new=False)):
                await self._retry_transient(partial(self._poll_each, unreadable))
            cursor, wait = answer.cursor, LONG_POLL_TIMEOUT
            if not listener_ready.is_set():
                listener_ready.set()
                continue
            if clock() - looked > REFRESH_INTERVAL:
                looked = clock()
                await self._refresh()
            await asyncio.sleep(
                max(0.0, asked + (_MIN_POLL_INTERVAL if answer.resources else _MIN_IDLE_POLL_INTERVAL) - clock())
            )

    async def _refresh(self) -> None:
        try:
            await self._poll_once(new=False)
        except DlaasError as error:
            if not error.transient:
                raise
            self.last_error = f"A second look at {self._client.url} was in vain, and will be taken again: {error}"

    async def _poll_once(self, *, new: bool) -> None:
        """Ask for all that are waited for, or for the new ones, in as few questions as will do."""
        ids = set(self._subscriptions.ids(new=new))
        if len(ids) > 1:
            ids -= await self._poll_list(ids)
        await self._poll_each(ids)

    async def _poll_each(self, ids: Collection[str]) -> None:
        """Ask for each of *ids* by itself; an error that concerns one training ends its waits alone."""
        trouble: DlaasError | None = None
        for training_id in ids:
            if training_id not in self._subscriptions.ids(new=False):
                continue  # left meanwhile
            try:
                self._subscriptions.publish(await self._send(calls.get_training(training_id)))
            except _PER_TRAINING_ERRORS as error:
                self._subscriptions.fail(training_id, error)
            except DlaasError as error:
                # The service may stumble over one training only: let the others have their turn, once.
                if not error.transient or trouble is not None:
                    raise
                trouble = error
        if trouble is not None:
            raise trouble

    async def _poll_list(self, ids: Collection[str]) -> set[str]:
        """Learn what the list tells of *ids*, and return those it holds."""
        missing, found = set(ids), set[str]()
        call = calls.list_trainings(_PAGE_SIZE)
        for _ in range(_MAX_PAGES):
            try:
                page = await self._send(call)
                call = calls.list_trainings_page(self._client.path_from_url(page.next.url)) if page.next else call
            except _PER_TRAINING_ERRORS:
                break  # somebody's old training may be one we can't read; each of ours still can be
            for training in page.resources:
                if training.id in missing:
                    self._subscriptions.publish(training)
                    missing.remove(training.id)
                    found.add(training.id)
            missing -= page.unreadable_ids  # on no further page; asked for by id, the service says why
            if page.next is None or len(missing) <= _MAX_REQUESTS_BY_ID:
                break
        return found

    async def _send(self, call: Call[T]) -> T:
        answer = await run_in_daemon_thread(lambda: self._client.send(call, retries=NO_RETRY))
        self.last_error = None
        return answer

    async def _retry_transient(self, func: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer, however long it takes."""
        failures = 0
        while True:
            try:
                return await func()
            except DlaasError as error:  # noqa: PERF203 - the loop is there for the error
                if not error.transient:
                    raise
                failures += 1
                self.last_error = f"Nothing is heard from {self._client.url}, and is asked again: {error}"
                wanted = error.retry_after if isinstance(error, ApiError) else None
                pause = POLL_BACKOFF.delay(min(failures, 10), random.SystemRandom().uniform(0.5, 1))
                await asyncio.sleep(max(pause, min(wanted or 0, REFRESH_INTERVAL)))
