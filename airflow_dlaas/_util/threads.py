"""
Functions in threads of their own.

All threads here are daemons: a call that hangs does not keep the process from ending. The worker threads of
`concurrent.futures`, `asyncio.to_thread` and anyio are not: the interpreter (or `asyncio.run`) waits for them at exit.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TypeVar

T = TypeVar("T")


def start_in_thread(function: Callable[[], T], *, name: str) -> Future[T]:
    """
    Start *function* in a daemon thread; return the future with its result or its error.

    The thread has a copy of the caller's context (`contextvars`). A function that has been started cannot be canceled.
    Callbacks of the future run in the thread.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from now on, `cancel` returns False

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - the caller gets it from the future
            future.set_exception(error)
        else:
            future.set_result(result)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=[run], name=name, daemon=True).start()
    return future


async def run_in_thread(function: Callable[[], T], *, name: str = "run_in_thread") -> T:
    """
    Run *function*, which may block, in a daemon thread of its own; return its result or raise its error.

    After a cancellation this does not wait: the thread runs on, and its result is dropped. `asyncio.run` waits for the
    threads of `asyncio.to_thread`. `anyio.to_thread.run_sync(abandon_on_cancel=True)` does not wait, but its worker
    threads are no daemons, so the process waits for them at exit.

    Log records of *function* have the caller's context: in a triggerer, it leads them to the log of the task.
    """
    import asyncio  # costs tens of milliseconds, which callers without an event loop need not pay

    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(outcome: Future[T]) -> None:
        if answer.done():
            return  # canceled
        error = outcome.exception()
        if error is None:
            answer.set_result(outcome.result())
        elif isinstance(error, StopIteration):  # which asyncio refuses in a future
            converted = RuntimeError("The function raised StopIteration")
            converted.__cause__ = error
            answer.set_exception(converted)
        else:
            answer.set_exception(error)

    def hand_over(outcome: Future[T]) -> None:
        with suppress(RuntimeError):  # the loop is closed, so there is no waiter
            loop.call_soon_threadsafe(settle, outcome)

    start_in_thread(function, name=name).add_done_callback(hand_over)
    return await answer


@contextmanager
def background_thread(
    body: Callable[[threading.Event], object], *, name: str, join_timeout: float | None = None
) -> Iterator[None]:
    """
    Run *body* in a daemon thread during the block.

    When the block ends, also by an error, the event that *body* received is set, and the thread is joined. An error of
    *body* does not reach the block; `threading.excepthook` prints it.

    :param join_timeout: seconds to wait for the thread: a *body* that may hang must not stop the caller. None waits
        without limit.
    """
    done = threading.Event()
    thread = threading.Thread(target=body, args=[done], name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(join_timeout)
