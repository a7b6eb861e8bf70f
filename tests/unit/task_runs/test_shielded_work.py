"""Work that continues although its waiters are canceled."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging

import pytest

from airflow_dlaas.task_runs.shielded_work import ShieldedWork

LONG = 60.0


class Work:
    """Work that ends after the event `go`."""

    def __init__(self) -> None:
        self.started = 0
        self.done = 0
        self.go = asyncio.Event()

    async def __call__(self) -> None:
        self.started += 1
        await self.go.wait()
        self.done += 1


async def cancel_repeatedly(task: asyncio.Task[bool], times: int) -> None:
    for _ in range(times):
        task.cancel("again")
        await asyncio.sleep(0)


def test_repeated_cancellations_of_the_waiter_do_not_interrupt_the_work() -> None:
    async def scenario() -> None:
        work = Work()
        shielded = ShieldedWork(work, "work")
        waiting = asyncio.create_task(shielded.join(LONG))
        await asyncio.sleep(0)
        await cancel_repeatedly(waiting, 20)
        work.go.set()
        assert await waiting is True
        assert (work.started, work.done) == (1, 1)

    asyncio.run(scenario())


def test_all_waiters_share_one_run_of_the_work() -> None:
    async def scenario() -> None:
        work = Work()
        shielded = ShieldedWork(work, "work")
        shielded.start()
        waiting = [asyncio.create_task(shielded.join(LONG)) for _ in range(3)]
        await asyncio.sleep(0)
        work.go.set()
        assert await asyncio.gather(*waiting) == [True] * 3
        assert await shielded.join(LONG)
        assert work.started == 1

    asyncio.run(scenario())


def test_the_work_continues_after_the_timeout_and_is_not_garbage_collected() -> None:
    async def scenario() -> None:
        work = Work()
        shielded = ShieldedWork(work, "work")
        assert not await shielded.join(0)
        # The timeout counts from the start of the work, so the second call does not wait.
        assert not await shielded.join(0)
        del shielded
        gc.collect()
        work.go.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert work.done == 1

    asyncio.run(scenario())


def test_an_error_of_the_work_is_logged_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise OSError("the network is down")

    async def scenario() -> None:
        assert await ShieldedWork(fails, "Canceling training-1").join(LONG)

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert "Canceling training-1 failed" in caplog.text
    assert "the network is down" in caplog.text


def test_work_keeps_the_context_of_its_starter() -> None:
    """The context leads its log messages to the log of the task."""
    task_id: contextvars.ContextVar[str] = contextvars.ContextVar("task_id")
    seen: list[str] = []

    async def read_context() -> None:
        seen.append(task_id.get())

    async def scenario() -> None:
        task_id.set("train")
        await ShieldedWork(read_context, "work").join(LONG)

    asyncio.run(scenario())
    assert seen == ["train"]


def test_the_end_of_the_loop_ends_the_work() -> None:
    async def scenario() -> None:
        ShieldedWork(Work(), "work").start()
        await asyncio.sleep(0)

    asyncio.run(scenario())  # does not hang
