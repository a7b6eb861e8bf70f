"""
Work that continues although its caller is canceled.

Airflow's triggerer cancels a trigger that must end about once a second until its asyncio task has ended
(``TriggerRunnerSupervisor.cancelling_triggers``). The second cancellation interrupts the clean-up after the first one,
and Airflow swallows it. So a clean-up that needs the network runs in an asyncio task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

_logger = logging.getLogger(__name__)

_RUNNING_TASKS: set[asyncio.Task[None]] = set()
# The event loop has only weak references to its tasks: without these, a task could be deleted before it is done.


class ShieldedWork:
    """
    A coroutine that is started at most once; a cancellation of its waiters does not cancel it.

    It runs in a task of the event loop in which it was started, with the log context of its starter. While the trigger
    exists, a triggerer writes its messages to the log of the Airflow task; afterwards, to the triggerer's own log, with
    the ids of the Airflow task. It ends early only if the event loop ends.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        self._work = work
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._started_at = 0.0

    def start(self) -> None:
        """Start the work, unless it was started before."""
        if self._task is None:
            self._started_at = asyncio.get_running_loop().time()
            self._task = asyncio.create_task(self._work(), name=self._name)
            _RUNNING_TASKS.add(self._task)
            self._task.add_done_callback(_on_done)

    async def join(self, timeout: float) -> bool:
        """
        Start the work, unless it was started, and wait until it is done; return whether it is done.

        Cancellations of the waiting task are dropped, also repeated ones: the caller already handles a cancellation and
        raises it again afterwards.

        :param timeout: seconds since the start of the work, after which the wait ends; the work continues.
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
