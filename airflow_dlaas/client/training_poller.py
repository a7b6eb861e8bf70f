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
from airflow_dlaas.client.aside import aside
from airflow_dlaas.client.calls import Call
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.protocol import ONCE, Retries
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import DlaasError, InvalidRequest, MethodNotAllowed, Misunderstood, NotFound, Refused

_log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = Retries(first=1, longest=30)
"""The pauses between questions that got no answer; there is no last one."""

LONG_POLL = 20
"""Seconds the service may hold a question back: shorter than what proxies and load balancers cut off (30 to 60)."""

SECOND_LOOK = 300.0
"""Seconds after which trainings are asked for though nothing was heard: one may be deleted, a store restored."""

_LIMIT = 100  # trainings a page
_WORTH_A_PAGE = 10  # trainings not found yet for which another page is cheaper than asking by id
_PAGES = 20
_SPACING = 0.25  # seconds between two questions that were answered with changes
_IDLE_SPACING = 1.0  # and with none, should the service not wait as it was asked to
_TOGETHER = 0.05  # seconds in which arrivals count as one
_MEANT_FOR_ONE = (NotFound, InvalidRequest, MethodNotAllowed, Misunderstood)


class Board(Protocol):
    """Where it stands what is waited for, and where answers are put."""

    def ids(self, *, new: bool) -> Collection[str]:
        """All that are waited for, or those of which nothing is known yet."""

    def learn(self, training: Training) -> None:
        """Take note of *training*, if anybody waits for it."""

    def fail(self, training_id: str, error: BaseException) -> None:
        """End the waits for a training with *error*."""


class Asker:
    """
    Asks for what is on a board, in one task, until that is canceled."""

    def __init__(self, client: Client, board: Board, *, interval: float) -> None:
        self._client = client
        self._board = board
        self._interval = interval
        self.trouble: str | None = None
        """Why nothing is heard, in a sentence; None while answers come."""
        self.arrived = asyncio.Event()
        """Set by whoever puts something on the board."""

    async def run(self) -> None:
        """Ask on and on. Ends only with an error that waiting can't cure, and that concerns everybody."""
        extensions = await self._persist(partial(aside, lambda: self._client.extensions))
        listening = asyncio.Event()
        listen = self._listen(listening, changes=extensions.changes)
        parts = [asyncio.create_task(self._greet(listening)), asyncio.create_task(listen)]
        try:
            await asyncio.gather(*parts)
        finally:
            for part in parts:
                part.cancel()

    async def _greet(self, listening: asyncio.Event) -> None:
        """Ask for those that have just come; the listener hears of changes only."""
        # Not before it has its cursor: what changes between our question and the cursor would go unheard.
        await listening.wait()
        while True:
            await self.arrived.wait()
            await asyncio.sleep(_TOGETHER)
            self.arrived.clear()
            await self._persist(partial(self._look, new=True))

    async def _listen(self, listening: asyncio.Event, *, changes: bool) -> None:
        if changes:
            try:
                await self._hear_changes(listening)
            except _MEANT_FOR_ONE as error:
                _log.warning("%s does not tell changes as it says (%s); looking instead", self._client.url, error)
        listening.set()
        while True:
            await asyncio.sleep(self._interval)
            await self._persist(partial(self._look, new=False))

    async def _hear_changes(self, listening: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        cursor, wait, looked = calls.NOW, 0, clock()
        while True:
            asked = clock()
            answer = await self._persist(partial(self._ask, calls.list_changes(cursor, wait)))
            for training in answer.resources:
                self._board.learn(training)
            if unreadable := answer.unreadable.intersection(self._board.ids(new=False)):
                await self._persist(partial(self._look_at_each, unreadable))
            cursor, wait = answer.cursor, LONG_POLL
            if not listening.is_set():
                listening.set()
                continue
            if clock() - looked > SECOND_LOOK:
                looked = clock()
                await self._look_again()
            await asyncio.sleep(max(0.0, asked + (_SPACING if answer.resources else _IDLE_SPACING) - clock()))

    async def _look_again(self) -> None:
        try:
            await self._look(new=False)
        except DlaasError as error:
            if not error.transient:
                raise
            self.trouble = f"A second look at {self._client.url} was in vain, and will be taken again: {error}"

    async def _look(self, *, new: bool) -> None:
        """Ask for all that are waited for, or for the new ones, in as few questions as will do."""
        ids = set(self._board.ids(new=new))
        if len(ids) > 1:
            ids -= await self._look_at_list(ids)
        await self._look_at_each(ids)

    async def _look_at_each(self, ids: Collection[str]) -> None:
        """Ask for each of *ids* by itself; an error that concerns one training ends its waits alone."""
        trouble: DlaasError | None = None
        for training_id in ids:
            if training_id not in self._board.ids(new=False):
                continue  # left meanwhile
            try:
                self._board.learn(await self._ask(calls.get_training(training_id)))
            except _MEANT_FOR_ONE as error:
                self._board.fail(training_id, error)
            except DlaasError as error:
                # The service may stumble over one training only: let the others have their turn, once.
                if not error.transient or trouble is not None:
                    raise
                trouble = error
        if trouble is not None:
            raise trouble

    async def _look_at_list(self, ids: Collection[str]) -> set[str]:
        """Learn what the list tells of *ids*, and return those it holds."""
        missing, found = set(ids), set[str]()
        call = calls.list_trainings(_LIMIT)
        for _ in range(_PAGES):
            try:
                page = await self._ask(call)
                call = calls.more_trainings(self._client.path_of(page.next.url)) if page.next else call
            except _MEANT_FOR_ONE:
                break  # somebody's old training may be one we can't read; each of ours still can be
            for training in page.resources:
                if training.id in missing:
                    self._board.learn(training)
                    missing.remove(training.id)
                    found.add(training.id)
            missing -= page.unreadable  # on no further page; asked for by id, the service says why
            if page.next is None or len(missing) <= _WORTH_A_PAGE:
                break
        return found

    async def _ask(self, call: Call[T]) -> T:
        answer = await aside(lambda: self._client.send(call, retries=ONCE))
        self.trouble = None
        return answer

    async def _persist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer, however long it takes."""
        failures = 0
        while True:
            try:
                return await ask()
            except DlaasError as error:  # noqa: PERF203 - the loop is there for the error
                if not error.transient:
                    raise
                failures += 1
                self.trouble = f"Nothing is heard from {self._client.url}, and is asked again: {error}"
                wanted = error.retry_after if isinstance(error, Refused) else None
                pause = PATIENCE.pause(min(failures, 10), random.SystemRandom().uniform(0.5, 1))
                await asyncio.sleep(max(pause, min(wanted or 0, SECOND_LOOK)))
