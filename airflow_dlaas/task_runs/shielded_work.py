"""
Work that has to be done although its caller is canceled.

Airflow's triggerer cancels a trigger that is to end about once a second until its task is gone
(``TriggerRunnerSupervisor.cancelling_triggers``). A second cancellation interrupts whatever the trigger awaits to clean
up after the first one, and Airflow swallows it. So clean-up that needs the network runs in a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

_logger = logging.getLogger(__name__)

_RUNNING_TASKS: set[asyncio.Task[None]] = set()
# The event loop has only weak references to its tasks: without these, a task could vanish before it is done.


class ShieldedWork:
    """
    A piece of work that is started at most once, and that no cancellation of those who wait for it reaches.

    It runs in a task of the event loop in which it was started, with the log context of its starter: a triggerer writes
    its lines into the log of the trigger's Airflow task as long as the trigger exists, and into its own log afterwards,
    with the ids of the Airflow task. It ends before it is done only where the loop itself ends.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        self._work = work
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._started_at = 0.0

    def start(self) -> None:
        """Start it; one that was started before goes on."""
        if self._task is None:
            self._started_at = asyncio.get_running_loop().time()
            self._task = asyncio.create_task(self._work(), name=self._name)
            _RUNNING_TASKS.add(self._task)
            self._task.add_done_callback(_on_done)

    async def join(self, timeout: float) -> bool:
        """
        Start it, if need be, and wait until it is done; whether it is.

        A cancellation of the waiting task is dropped, however often it is repeated: a caller that handles one already
        raises it again afterwards.

        :param timeout: seconds since the start after which nothing waits any longer; the work goes on.
        """
        self.start()
        task, clock = self._task, asyncio.get_running_loop().time
        while task is not None and not task.done() and (left := self._started_at + timeout - clock()) > 0:
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task}, timeout=left)
        return task is not None and task.done()


def _on_done(task: asyncio.Task[None]) -> None:
    _RUNNING_TASKS.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _logger.error("%s failed", task.get_name(), exc_info=error)
