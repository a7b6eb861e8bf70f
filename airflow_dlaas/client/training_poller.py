"""
The requests of a watcher: which ones, when, and how few are enough.

If the service has `Extensions.changes`, the request is a long poll, and the response comes when a training has changed.
Otherwise the list of trainings is requested at an interval, and the trainings that are not in it by their ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Protocol, TypeVar

from airflow_dlaas._util.retry import NO_RETRY, RetryOptions, RetryPolicy, call_with_retry_async
from airflow_dlaas._util.threads import run_in_thread
from airflow_dlaas.client import calls
from airflow_dlaas.client.calls import Call
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.instance import Extensions
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import (
    ApiError,
    DlaasError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    ProtocolError,
    is_transient,
)

_log = logging.getLogger(__name__)

T = TypeVar("T")

LONG_POLL_TIMEOUT = 20
"""Seconds that the service may hold a request: less than the timeouts of proxies and load balancers (30 to 60)."""

REFRESH_INTERVAL = 300.0
"""Seconds after which trainings are requested although no change was reported: one may be deleted, a store restored."""

POLL_RETRY = RetryPolicy(attempts=None, first_pause=1, max_pause=30, jitter=0.5, max_retry_after=REFRESH_INTERVAL)
"""The retries of each request, without an end: the waits have their own deadlines."""

_PAGE_SIZE = 100  # trainings per page
_MAX_REQUESTS_BY_ID = 10  # for more missing trainings than this, another page of the list is cheaper
_MAX_PAGES = 20
_MIN_POLL_INTERVAL = 0.25  # seconds from a request to the next one, if there were changes
_MIN_IDLE_POLL_INTERVAL = 1.0  # the same if there were none, in case that the service does not hold the request
_BATCH_INTERVAL = 0.05  # seconds within which new subscriptions are served together
_PER_TRAINING_ERRORS = (NotFound, InvalidRequest, MethodNotAllowed, ProtocolError)


class Subscriptions(Protocol):
    """The trainings to poll for, and the receiver of the responses."""

    def ids(self, *, new: bool) -> Collection[str]:
        """Return the ids of all subscribed trainings, or of those without a response so far."""

    def publish(self, training: Training) -> None:
        """Pass *training* to its subscribers, if there are any."""

    def fail(self, training_id: str, error: BaseException) -> None:
        """End the subscriptions of a training with *error*."""


class TrainingPoller:
    """Requests the trainings of *subscriptions* until `run` is canceled. Belongs to one event loop."""

    def __init__(self, client: Client, subscriptions: Subscriptions, *, interval: float) -> None:
        self._client = client
        self._subscriptions = subscriptions
        self._interval = interval
        self.last_error: str | None = None
        """Why there is no response, and when the next attempt follows; None after a response."""
        self.wakeup = asyncio.Event()
        """To be set after a new subscription."""

    async def run(self) -> None:
        """
        Poll until canceled.

        :raises DlaasError: an error that a retry cannot correct, and that concerns all trainings.
        """
        extensions = await self._retry("Requesting the extensions", self._get_extensions)
        feed_ready = asyncio.Event()
        tasks = [
            asyncio.create_task(self._poll_new(feed_ready)),
            asyncio.create_task(self._poll_updates(feed_ready, has_changes=extensions.changes)),
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _poll_new(self, feed_ready: asyncio.Event) -> None:
        """Request the newly subscribed trainings; the change feed reports later changes only."""
        # Not before the feed has its cursor: it would not report a change between this request and the cursor.
        await feed_ready.wait()
        while True:
            await self.wakeup.wait()
            await asyncio.sleep(_BATCH_INTERVAL)
            self.wakeup.clear()
            await self._retry("Requesting newly subscribed trainings", partial(self._poll_once, new=True))

    async def _poll_updates(self, feed_ready: asyncio.Event, *, has_changes: bool) -> None:
        if has_changes:
            try:
                await self._long_poll_changes(feed_ready)
            except _PER_TRAINING_ERRORS as error:
                _log.warning(
                    "The change feed of %s cannot be used (%s); polling trainings every %.1f s instead",
                    self._client.url,
                    error,
                    self._interval,
                )
        feed_ready.set()
        while True:
            await asyncio.sleep(self._interval)
            await self._retry("Requesting trainings", partial(self._poll_once, new=False))

    async def _long_poll_changes(self, feed_ready: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        cursor, wait, refreshed_at = calls.CURSOR_NOW, 0, clock()
        while True:
            requested_at = clock()
            request = partial(self._send, calls.list_changes(cursor, wait))
            changes = await self._retry("Requesting changes of trainings", request)
            for training in changes.resources:
                self._subscriptions.publish(training)
            if unreadable := changes.unreadable_ids.intersection(self._subscriptions.ids(new=False)):
                await self._retry("Requesting trainings by id", partial(self._poll_each, unreadable))
            cursor, wait = changes.cursor, LONG_POLL_TIMEOUT
            if not feed_ready.is_set():
                feed_ready.set()
                continue
            if clock() - refreshed_at > REFRESH_INTERVAL:
                refreshed_at = clock()
                await self._refresh()
            min_interval = _MIN_POLL_INTERVAL if changes.resources else _MIN_IDLE_POLL_INTERVAL
            await asyncio.sleep(max(0.0, requested_at + min_interval - clock()))

    async def _refresh(self) -> None:
        """Request all trainings once. A transient error is not retried: the change feed must go on."""
        try:
            await self._poll_once(new=False)
        except DlaasError as error:
            if not error.transient:
                raise
            self.last_error = (
                f"Refreshing trainings from {self._client.url} failed ({error}); the next refresh is in "
                f"{REFRESH_INTERVAL:.0f} s"
            )
            _log.warning("%s", self.last_error)

    async def _poll_once(self, *, new: bool) -> None:
        """Request all subscribed trainings, or the new ones, with as few requests as possible."""
        ids = set(self._subscriptions.ids(new=new))
        if len(ids) > 1:
            ids -= await self._poll_list(ids)
        await self._poll_each(ids)

    async def _poll_each(self, ids: Collection[str]) -> None:
        """Request each of *ids*; an error that concerns one training ends the subscriptions of that one only."""
        transient_error: DlaasError | None = None
        for training_id in ids:
            if training_id not in self._subscriptions.ids(new=False):
                continue  # unsubscribed meanwhile
            try:
                self._subscriptions.publish(await self._send(calls.get_training(training_id)))
            except _PER_TRAINING_ERRORS as error:
                self._subscriptions.fail(training_id, error)
            except DlaasError as error:
                # The service may fail for one training only: request the others before the first retry.
                if not error.transient or transient_error is not None:
                    raise
                transient_error = error
        if transient_error is not None:
            raise transient_error

    async def _poll_list(self, ids: Collection[str]) -> set[str]:
        """Publish those of *ids* that the list of trainings has, and return them."""
        missing, found = set(ids), set[str]()
        call = calls.list_trainings(_PAGE_SIZE)
        for _ in range(_MAX_PAGES):
            try:
                page = await self._send(call)
                call = calls.list_trainings_page(self._client.path_from_url(page.next.url)) if page.next else call
            except _PER_TRAINING_ERRORS as error:
                # For example an old training of the user that cannot be read; the subscribed ones may be readable.
                _log.debug("The list at %s cannot be read (%s); requesting trainings by id", self._client.url, error)
                break
            for training in page.resources:
                if training.id in missing:
                    self._subscriptions.publish(training)
                    missing.remove(training.id)
                    found.add(training.id)
            missing -= page.unreadable_ids  # on no further page; the response to a request by id gives the reason
            if page.next is None or len(missing) <= _MAX_REQUESTS_BY_ID:
                break
        return found

    async def _get_extensions(self) -> Extensions:
        return await run_in_thread(lambda: self._client.extensions, name="dlaas-client")

    async def _send(self, call: Call[T]) -> T:
        response = await run_in_thread(lambda: self._client.send(call, retries=NO_RETRY), name="dlaas-client")
        self.last_error = None
        return response

    async def _retry(self, what: str, function: Callable[[], Awaitable[T]]) -> T:
        """
        Call *function* until it succeeds; raise only errors that a retry cannot correct.

        The first retry is a WARNING, later ones are DEBUG: each wait logs the error by itself, once a minute.
        """
        return await call_with_retry_async(
            function,
            POLL_RETRY,
            what=f"{what} from {self._client.url}",
            is_transient=is_transient,
            logger=_log,
            options=RetryOptions(retry_after=_retry_after, on_retry=self._set_last_error, later_level=logging.DEBUG),
        )

    def _set_last_error(self, message: str) -> None:
        self.last_error = message


def _retry_after(error: Exception) -> float:
    """Return the pause that the service requested, limited: a longer request must not end the retries."""
    requested = error.retry_after if isinstance(error, ApiError) else None
    return min(requested or 0, REFRESH_INTERVAL)
