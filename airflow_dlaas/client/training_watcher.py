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
from airflow_dlaas.client.training_poller import Asker
from airflow_dlaas.contract.training import Training


@dataclass(slots=True, eq=False)
class _Subject:
    """A training somebody waits for."""

    waiters: int = 0
    known: Training | None = None
    error: BaseException | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


class _Board:
    """Who waits for what, and what is known of it."""

    def __init__(self) -> None:
        self._subjects: dict[str, _Subject] = {}

    def __bool__(self) -> bool:
        return bool(self._subjects)

    def enter(self, training_id: str) -> _Subject:
        subject = self._subjects.setdefault(training_id, _Subject())
        subject.waiters += 1
        return subject

    def leave(self, training_id: str, subject: _Subject) -> None:
        subject.waiters -= 1
        if not subject.waiters and self._subjects.get(training_id) is subject:
            del self._subjects[training_id]

    def ids(self, *, new: bool) -> Collection[str]:
        if not new:
            return self._subjects.keys()
        return [training_id for training_id, subject in self._subjects.items() if subject.known is None]

    def learn(self, training: Training) -> None:
        subject = self._subjects.get(training.id)
        if subject is None:
            return
        known = subject.known
        # Two questions may be under way at a time, and the older answer come last.
        stale = known is not None and (known.state.final or training.state.may_become(known.state))
        if not stale and differs(known, training):
            subject.known = training
            subject.tell()

    def fail(self, training_id: str, error: BaseException) -> None:
        # Taken off: who comes later shall have it asked anew.
        subject = self._subjects.pop(training_id, None)
        if subject is not None:
            subject.error = error
            subject.tell()


class Watch:
    """
    Waits for trainings of one service, in one event loop.

    A question is asked only while somebody waits. Transient troubles never end a wait; who gets tired of them
    has a deadline of their own. Leaving one wait (also by cancellation) touches no other.

    :param interval: seconds between two looks at a service without `Extensions.changes`.
    """

    def __init__(self, client: Client, *, interval: float = 5.0) -> None:
        self.client = client
        self._board = _Board()
        self._asker = Asker(client, self._board, interval=interval)
        self._task: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str | None:
        """Why nothing is heard, in a sentence; None while answers come."""
        return self._asker.trouble

    async def states(self, training_id: str, seen: Training | None = None) -> AsyncGenerator[Training, None]:
        """
        Yield the training as it is now, where that differs from *seen*, and whenever it has changed, until it is final.

        What changes faster than it is taken is yielded in its latest shape only.

        :raises NotFound: there is no such training, or no longer.
        :raises DlaasError: any other error that waiting can't cure.
        """
        if seen is not None and seen.state.final:
            return
        with self._waiting(training_id) as subject:
            while True:
                news = subject.news
                if subject.known is not None and differs(seen, subject.known):
                    seen = subject.known
                    yield seen
                    if seen.state.final:
                        return
                elif subject.error is not None:
                    raise subject.error
                else:
                    await news.wait()

    async def changed(self, training_id: str, seen: Training | None = None) -> Training:
        """Return the training as soon as it differs from *seen*; a final one at once, since it can't. See `states`."""
        async with aclosing(self.states(training_id, seen)) as states:
            return await anext(states, seen) if seen is not None else await anext(states)

    @contextmanager
    def _waiting(self, training_id: str) -> Iterator[_Subject]:
        subject = self._board.enter(training_id)
        self._asker.arrived.set()
        if self._task is None:
            self._task = asyncio.create_task(self._asker.run(), name=f"watch {self.client.url}")
            self._task.add_done_callback(self._ended)
        try:
            yield subject
        finally:
            self._board.leave(training_id, subject)
            if not self._board and self._task is not None:
                self._task.cancel()
                self._task = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is not task or task.cancelled():
            return
        self._task = None
        error = task.exception() or RuntimeError("the watch ended by itself")
        for training_id in list(self._board.ids(new=False)):
            self._board.fail(training_id, error)


def differs(seen: Training | None, now: Training) -> bool:
    """Whether anything but the service's clock has moved between two sights of a training."""
    if seen is None:
        return True
    same_time = now.status.model_copy(update={"current_at": seen.status.current_at})
    return seen.entity != now.entity.model_copy(update={"status": same_time})


@dataclass(slots=True)
class _Lease:
    watch: Watch
    holders: int = 0


_LEASES: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Lease]] = WeakKeyDictionary()
# Touched only from the loop it belongs to, and never across an await: no lock is needed.


@asynccontextmanager
async def shared(key: Hashable, make_client: Callable[[], Client], *, interval: float = 5.0) -> AsyncIterator[Watch]:
    """
    Lend the watch that everybody in the running event loop uses who comes with the same *key*.

    The first one makes the client and settles the interval; when the last one leaves, it is closed. *key* must stand
    for the service and the user (a connection's id, say): whoever shares it shares the credentials.
    """
    leases = _LEASES.setdefault(asyncio.get_running_loop(), {})
    lease = leases.get(key)
    if lease is None:
        lease = leases[key] = _Lease(Watch(make_client(), interval=interval))
    lease.holders += 1
    try:
        yield lease.watch
    finally:
        lease.holders -= 1
        if not lease.holders:
            del leases[key]
            lease.watch.client.close()
