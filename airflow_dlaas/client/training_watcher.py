"""
One question for all trainings that anyone here is waiting for.

A thousand triggers in one process cost the service one request at a time, not a thousand. What is asked, and when,
stands in `asking`; here stands who waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Hashable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from airflow_dlaas.client.client import Client
from airflow_dlaas.client.training_poller import TrainingPoller
from airflow_dlaas.contract.training import Training


@dataclass(slots=True, eq=False)
class _Subscription:
    """A training somebody waits for."""

    waiters: int = 0
    latest: Training | None = None
    error: BaseException | None = None
    updated: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self) -> None:
        self.updated.set()
        self.updated = asyncio.Event()


class _SubscriptionRegistry:
    """Who waits for what, and what is known of it."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, _Subscription] = {}

    def __bool__(self) -> bool:
        return bool(self._subscriptions)

    def subscribe(self, training_id: str) -> _Subscription:
        subject = self._subscriptions.setdefault(training_id, _Subscription())
        subject.waiters += 1
        return subject

    def unsubscribe(self, training_id: str, subscription: _Subscription) -> None:
        subscription.waiters -= 1
        if not subscription.waiters and self._subscriptions.get(training_id) is subscription:
            del self._subscriptions[training_id]

    def ids(self, *, new: bool) -> Collection[str]:
        if not new:
            return self._subscriptions.keys()
        return [training_id for training_id, subject in self._subscriptions.items() if subject.latest is None]

    def publish(self, training: Training) -> None:
        subject = self._subscriptions.get(training.id)
        if subject is None:
            return
        known = subject.latest
        # Two questions may be under way at a time, and the older answer come last.
        stale = known is not None and (known.state.is_final or training.state.can_transition_to(known.state))
        if not stale and has_changed(known, training):
            subject.latest = training
            subject.notify()

    def fail(self, training_id: str, error: BaseException) -> None:
        # Taken off: who comes later shall have it asked anew.
        subject = self._subscriptions.pop(training_id, None)
        if subject is not None:
            subject.error = error
            subject.notify()


class TrainingWatcher:
    """
    Waits for trainings of one service, in one event loop.

    A question is asked only while somebody waits. Transient troubles never end a wait; who gets tired of them
    has a deadline of their own. Leaving one wait (also by cancellation) touches no other.

    :param interval: seconds between two looks at a service without `Extensions.changes`.
    """

    def __init__(self, client: Client, *, interval: float = 5.0) -> None:
        self.client = client
        self._subscriptions = _SubscriptionRegistry()
        self._poller = TrainingPoller(client, self._subscriptions, interval=interval)
        self._task: asyncio.Task[None] | None = None

    @property
    def last_error(self) -> str | None:
        """Why nothing is heard, in a sentence; None while answers come."""
        return self._poller.last_error

    async def updates(self, training_id: str, previous: Training | None = None) -> AsyncGenerator[Training, None]:
        """
        Yield the training as it is now, where that differs from *previous*, and whenever it has changed, until it is final.

        What changes faster than it is taken is yielded in its latest shape only.

        :raises NotFound: there is no such training, or no longer.
        :raises DlaasError: any other error that waiting can't cure.
        """
        if previous is not None and previous.state.is_final:
            return
        with self._subscribed(training_id) as subject:
            while True:
                news = subject.updated
                if subject.latest is not None and has_changed(previous, subject.latest):
                    previous = subject.latest
                    yield previous
                    if previous.state.is_final:
                        return
                elif subject.error is not None:
                    raise subject.error
                else:
                    await news.wait()

    async def next_update(self, training_id: str, previous: Training | None = None) -> Training:
        """Return the training as soon as it differs from *previous*; a final one at once, since it can't. See `updates`."""
        async with aclosing(self.updates(training_id, previous)) as states:
            return await anext(states, previous) if previous is not None else await anext(states)

    @contextmanager
    def _subscribed(self, training_id: str) -> Iterator[_Subscription]:
        subject = self._subscriptions.subscribe(training_id)
        self._poller.wakeup.set()
        if self._task is None:
            self._task = asyncio.create_task(self._poller.run(), name=f"watch {self.client.url}")
            self._task.add_done_callback(self._on_poller_done)
        try:
            yield subject
        finally:
            self._subscriptions.unsubscribe(training_id, subject)
            if not self._subscriptions and self._task is not None:
                self._task.cancel()
                self._task = None

    def _on_poller_done(self, task: asyncio.Task[None]) -> None:
        if self._task is not task or task.cancelled():
            return
        self._task = None
        error = task.exception() or RuntimeError("the watch ended by itself")
        for training_id in list(self._subscriptions.ids(new=False)):
            self._subscriptions.fail(training_id, error)


def has_changed(previous: Training | None, current: Training) -> bool:
    """Whether anything but the service's clock has moved between two sights of a training."""
    if previous is None:
        return True
    same_time = current.status.model_copy(update={"current_at": previous.status.current_at})
    return previous.entity != current.entity.model_copy(update={"status": same_time})


@dataclass(slots=True)
class _SharedWatcher:
    watcher: TrainingWatcher
    ref_count: int = 0


_SHARED_WATCHERS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _SharedWatcher]] = WeakKeyDictionary()
# Touched only from the loop it belongs to, and never across an await: no lock is needed.


@asynccontextmanager
async def shared_watcher(
    key: Hashable, make_client: Callable[[], Client], *, interval: float = 5.0
) -> AsyncIterator[TrainingWatcher]:
    """
    Lend the watch that everybody in the running event loop uses who comes with the same *key*.

    The first one makes the client and settles the interval; when the last one leaves, it is closed. *key* must stand
    for the service and the user (a connection's id, say): whoever shares it shares the credentials.
    """
    leases = _SHARED_WATCHERS.setdefault(asyncio.get_running_loop(), {})
    lease = leases.get(key)
    if lease is None:
        lease = leases[key] = _SharedWatcher(TrainingWatcher(make_client(), interval=interval))
    lease.ref_count += 1
    try:
        yield lease.watcher
    finally:
        lease.ref_count -= 1
        if not lease.ref_count:
            del leases[key]
            lease.watcher.client.close()
