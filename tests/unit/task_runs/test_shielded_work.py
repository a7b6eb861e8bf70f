"""Work that no cancellation of those who wait for it reaches."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging

import pytest

from airflow_dlaas.task_runs.shielded_work import ShieldedWork

LONG = 60.0


class Work:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.started = 0
        self.done = 0
        self.go = asyncio.Event()

    async def __call__(self) -> None:
        self.started += 1
        await self.go.wait()
        self.done += 1


async def cancel_again_and_again(task: asyncio.Task[bool], times: int) -> None:
    for _ in range(times):
        task.cancel("again")
        await asyncio.sleep(0)


def test_repeated_cancellation_of_the_waiting_task_interrupts_nothing() -> None:
    async def scene() -> None:
        work = Work()
        shielded = ShieldedWork(work, "work")
        waiting = asyncio.create_task(shielded.join(LONG))
        await asyncio.sleep(0)
        await cancel_again_and_again(waiting, 20)
        work.go.set()
        assert await waiting is True
        assert (work.started, work.done) == (1, 1)

    asyncio.run(scene())


def test_whoever_joins_later_joins_the_same_work() -> None:
    async def scene() -> None:
        work = Work()
        shielded = ShieldedWork(work, "work")
        shielded.start()
        waiting = [asyncio.create_task(shielded.join(LONG)) for _ in range(3)]
        await asyncio.sleep(0)
        work.go.set()
        assert await asyncio.gather(*waiting) == [True] * 3
        assert await shielded.join(LONG)
        assert work.started == 1

    asyncio.run(scene())


def test_work_goes_on_after_the_wait_for_it_is_over_and_is_not_collected() -> None:
    async def scene() -> None:
        work = Work()
        shielded = ShieldedWork(work, "work")
        assert not await shielded.join(0)
        # The limit counts from the start: nothing waits a second time.
        assert not await shielded.join(0)
        del shielded
        gc.collect()
        work.go.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert work.done == 1

    asyncio.run(scene())


def test_an_error_of_the_work_is_logged_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise OSError("the network is down")

    async def scene() -> None:
        assert await ShieldedWork(fails, "Canceling training-1").join(LONG)

    with caplog.at_level(logging.ERROR):
        asyncio.run(scene())
    assert "Canceling training-1 failed" in caplog.text
    assert "the network is down" in caplog.text


def test_work_keeps_the_context_of_its_starter() -> None:
    """That is what leads its log lines to the log of the task."""
    task_id: contextvars.ContextVar[str] = contextvars.ContextVar("task_id")
    seen: list[str] = []

    async def look() -> None:
        seen.append(task_id.get())

    async def scene() -> None:
        task_id.set("train")
        await ShieldedWork(look, "work").join(LONG)

    asyncio.run(scene())
    assert seen == ["train"]


def test_the_end_of_the_loop_ends_the_work() -> None:
    async def scene() -> None:
        ShieldedWork(Work(), "work").start()
        await asyncio.sleep(0)

    asyncio.run(scene())  # does not hang
