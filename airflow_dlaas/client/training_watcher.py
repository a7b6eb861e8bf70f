"""
The waits for trainings of a service, which share their requests.

A thousand triggers in one process cost the service one request at a time, not a thousand. `training_poller` decides
what is requested and when; this module keeps the subscriptions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from dataclasses import dataclass, field

from airflow_dlaas._util.shared import SharedPerLoop
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.training_poller import TrainingPoller
from airflow_dlaas.contract.training import Training


@dataclass(slots=True, eq=False)
class _Subscription:
    """A training with at least one waiter."""

    waiters: int = 0
    latest: Training | None = None
    error: BaseException | None = None
    updated: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self) -> None:
        self.updated.set()
        self.updated = asyncio.Event()


class _SubscriptionRegistry:
    """The subscriptions by training, with the latest response for each."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, _Subscription] = {}

    def __bool__(self) -> bool:
        return bool(self._subscriptions)

    def subscribe(self, training_id: str) -> _Subscription:
        subscription = self._subscriptions.setdefault(training_id, _Subscription())
        subscription.waiters += 1
        return subscription

    def unsubscribe(self, training_id: str, subscription: _Subscription) -> None:
        subscription.waiters -= 1
        if not subscription.waiters and self._subscriptions.get(training_id) is subscription:
            del self._subscriptions[training_id]

    def ids(self, *, new: bool) -> Collection[str]:
        if not new:
            return self._subscriptions.keys()
        return [one for one, subscription in self._subscriptions.items() if subscription.latest is None]

    def publish(self, training: Training) -> None:
        subscription = self._subscriptions.get(training.id)
        if subscription is None:
            return
        known = subscription.latest
        # There may be two requests at a time, and the older response may come last.
        stale = known is not None and (known.state.is_final or training.state.can_transition_to(known.state))
        if not stale and has_changed(known, training):
            subscription.latest = training
            subscription.notify()

    def fail(self, training_id: str, error: BaseException) -> None:
        # Removed, so that a later subscriber causes a new request.
        subscription = self._subscriptions.pop(training_id, None)
        if subscription is not None:
            subscription.error = error
            subscription.notify()


class TrainingWatcher:
    """
    Waits for trainings of one service, in one event loop.

    Requests are sent only while there is a waiter. Transient errors never end a wait; a caller that wants to give up
    needs a deadline of its own. The end of one wait, also by cancellation, does not affect the others.

    :param interval: seconds between two requests to a service without `Extensions.changes`.
    """

    def __init__(self, client: Client, *, interval: float = 5.0) -> None:
        self.client = client
        self._subscriptions = _SubscriptionRegistry()
        self._poller = TrainingPoller(client, self._subscriptions, interval=interval)
        self._task: asyncio.Task[None] | None = None

    @property
    def last_error(self) -> str | None:
        """Why there is no response, and when the next attempt follows; None after a response."""
        return self._poller.last_error

    async def updates(self, training_id: str, previous: Training | None = None) -> AsyncGenerator[Training, None]:
        """
        Yield the training at once if it differs from *previous*, and after each change until it is final.

        If it changes several times before the next iteration, only the latest version is yielded.

        :raises NotFound: there is no such training, or it was deleted.
        :raises DlaasError: any other error that a retry cannot correct.
        """
        if previous is not None and previous.state.is_final:
            return
        with self._subscribed(training_id) as subscription:
            while True:
                updated = subscription.updated
                if subscription.latest is not None and has_changed(previous, subscription.latest):
                    previous = subscription.latest
                    yield previous
                    if previous.state.is_final:
                        return
                elif subscription.error is not None:
                    raise subscription.error
                else:
                    await updated.wait()

    async def next_update(self, training_id: str, previous: Training | None = None) -> Training:
        """
        Return the training as soon as it differs from *previous*.

        A final *previous* is returned at once, because it cannot change. Raises the errors of `updates`.
        """
        async with aclosing(self.updates(training_id, previous)) as states:
            return await anext(states, previous) if previous is not None else await anext(states)

    @contextmanager
    def _subscribed(self, training_id: str) -> Iterator[_Subscription]:
        subscription = self._subscriptions.subscribe(training_id)
        self._poller.wakeup.set()
        if self._task is None:
            self._task = asyncio.create_task(self._poller.run(), name=f"poll trainings of {self.client.url}")
            self._task.add_done_callback(self._on_poller_done)
        try:
            yield subscription
        finally:
            self._subscriptions.unsubscribe(training_id, subscription)
            if not self._subscriptions and self._task is not None:
                self._task.cancel()
                self._task = None

    def _on_poller_done(self, task: asyncio.Task[None]) -> None:
        if self._task is not task or task.cancelled():
            return
        self._task = None
        error = task.exception() or RuntimeError("The poller ended without an error")
        for training_id in list(self._subscriptions.ids(new=False)):
            self._subscriptions.fail(training_id, error)


def has_changed(previous: Training | None, current: Training) -> bool:
    """Whether a training differs from *previous* in anything but ``current_at``, the service's clock."""
    if previous is None:
        return True
    same_time = current.status.model_copy(update={"current_at": previous.status.current_at})
    return previous.entity != current.entity.model_copy(update={"status": same_time})


_WATCHERS: SharedPerLoop[Hashable, TrainingWatcher] = SharedPerLoop(lambda watcher: watcher.client.close())


def shared_watcher(
    key: Hashable, make_client: Callable[[], Client], *, interval: float = 5.0
) -> AbstractAsyncContextManager[TrainingWatcher]:
    """
    Return a context manager for the watcher that all callers in the running event loop share under *key*.

    The first caller makes the client and decides the interval; the client is closed after the last one has left.

    :param key: identifies the service and the user, for example by the id of a connection: callers with equal keys
        share the credentials.
    """
    return _WATCHERS.hold(key, lambda: TrainingWatcher(make_client(), interval=interval))
