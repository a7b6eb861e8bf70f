"""Batches of a training's log in a task's log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from airflow_dlaas.task_runs.log_batches import PlainBatches, batch_text


async def batches(chunks: AsyncIterator[str], *, seconds: float = 60, characters: int = 100) -> list[str]:
    return [text async for text in batch_text(chunks, max_seconds=seconds, max_characters=characters)]


async def stream(*chunks: str) -> AsyncIterator[str]:
    for chunk in chunks:
        yield chunk


def test_a_batch_has_all_lines_of_its_time() -> None:
    assert asyncio.run(batches(stream("a\n", "b\n", "c\n"))) == ["a\nb\nc\n"]


def test_a_batch_with_enough_characters_ends_early() -> None:
    assert asyncio.run(batches(stream("x" * 60, "y" * 60, "z"))) == ["x" * 60 + "y" * 60, "z"]


def test_a_batch_ends_in_time_if_no_more_text_arrives() -> None:
    async def stalled() -> AsyncIterator[str]:
        yield "first"
        await never.wait()
        yield "second"

    async def first_batch() -> str:
        nonlocal never
        never = asyncio.Event()
        return await anext(batch_text(stalled(), max_seconds=0.01, max_characters=100))

    never = asyncio.Event()
    assert asyncio.run(first_batch()) == "first"


def test_an_empty_log_has_no_batch() -> None:
    assert asyncio.run(batches(stream())) == []


def test_a_canceled_batch_closes_its_source() -> None:
    """A wait that ends at its deadline leaves no generator running."""

    async def endless() -> AsyncGenerator[str, None]:
        try:
            started.set()
            await asyncio.Event().wait()
            yield "never"
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def read() -> None:
        async with aclosing(endless()) as chunks:
            async for _ in batch_text(chunks, max_seconds=60, max_characters=100):
                pass

    async def stop_reading() -> None:
        nonlocal started
        started = asyncio.Event()
        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    closed: list[bool] = []
    started = asyncio.Event()
    asyncio.run(stop_reading())
    assert closed == [True]


@pytest.mark.parametrize(
    ("batches_of_log", "records"),
    [
        (["one\n", "two\n\n"], ["one", "two"]),
        (["\x1b[32mok\x1b[0m \x07\n"], [r"ok \x07"]),
        (["windows\r\n", "lines\r\n"], ["windows", "lines"]),
        (["start\n\r1%\r2%", "\r3%\r4%", "\r5%\nend\n"], ["start\n2%", "4%", "5%\nend"]),
        (["\r1%", "\r1%", "\r2%"], ["1%", "", "2%"]),
        (["\r100%", "\nnext\n"], ["100%", "next"]),
        (["\r100%", "\r100%\n", "\r100%\n"], ["100%", "", "100%"]),
        (["\r1%\n", "\r1%"], ["1%", "1%"]),
        (["\r1%", "\r", "\r1%", "\n"], ["1%", "", "", ""]),
        (["xxx", "xxx", "y\n"], ["xxx", "xxx", "y"]),
        (["\n\n", "a\n"], ["", "a"]),
    ],
)
def test_redrawn_line_appears_in_each_batch_with_its_newest_state(
    batches_of_log: list[str], records: list[str]
) -> None:
    plain = PlainBatches()
    assert [plain.add(batch) for batch in batches_of_log] == records
