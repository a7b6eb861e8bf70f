"""Blocking calls out of an event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def run_in_daemon_thread(func: Callable[[], T]) -> T:
    """
    Let *func* block in a thread of its own, which nobody waits for once this is canceled.

    Not one of the loop's pool: `asyncio.run` would wait for a long poll there before it returns. What it logs is logged
    in the caller's context: in a triggerer, that is what leads a line to its task.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(outcome: concurrent.futures.Future[T]) -> None:
        if not answer.done():
            error = outcome.exception()
            if error is None:
                answer.set_result(outcome.result())
            else:
                answer.set_exception(error)

    def run() -> None:
        outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        try:
            outcome.set_result(func())
        except BaseException as error:  # noqa: BLE001 - is raised where it is waited for
            outcome.set_exception(error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, outcome)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=[run], name="aside", daemon=True).start()
    return await answer
