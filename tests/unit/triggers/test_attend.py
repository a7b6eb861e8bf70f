"""What of a log is told at once, and what a trigger's report means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from airflow_dlaas.errors import Misunderstood, NotFound, Unreachable
from airflow_dlaas.triggers.attend import batches
from airflow_dlaas.triggers.training import TrainingTrigger
from airflow_dlaas.triggers.waiting import heard, reported, unheard
from tests.builders import a_training


async def told(pieces: AsyncIterator[str], *, seconds: float = 60, characters: int = 100) -> list[str]:
    return [text async for text in batches(pieces, seconds=seconds, characters=characters)]


async def spoken(*pieces: str) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece


def test_lines_are_told_together_and_none_is_lost() -> None:
    assert asyncio.run(told(spoken("a\n", "b\n", "c\n"))) == ["a\nb\nc"]


def test_much_text_is_told_before_the_time_is_up() -> None:
    assert asyncio.run(told(spoken("x" * 60, "y" * 60, "z"))) == ["x" * 60 + "y" * 60, "z"]


def test_what_was_gathered_is_told_in_time_though_nothing_more_comes() -> None:
    async def halting() -> AsyncIterator[str]:
        yield "first"
        await never.wait()
        yield "second"

    async def first_told() -> str:
        nonlocal never
        never = asyncio.Event()
        return await anext(batches(halting(), seconds=0.01, characters=100))

    never = asyncio.Event()
    assert asyncio.run(first_told()) == "first"


def test_nothing_said_is_nothing_told() -> None:
    assert asyncio.run(told(spoken())) == []


def test_a_report_is_read_back_as_the_training_it_was() -> None:
    training = a_training("canceled")
    assert reported(heard(training)) == training


def test_a_training_that_is_gone_a_silent_service_and_a_foreign_event_are_told_apart() -> None:
    for error in (NotFound("no such training"), Unreachable("no word")):
        with pytest.raises(type(error), match=error.args[0]):
            reported(unheard(error))
    for event in (None, {}, {"status": "success"}, {"training": 1}):
        with pytest.raises(Misunderstood):
            reported(event)


def test_a_trigger_can_be_made_again_from_what_it_says_of_itself() -> None:
    trigger = TrainingTrigger(training_id="training-1", dlaas_conn_id="c", deadline=12.5, owner=True)
    path, given = trigger.serialize()
    assert path == "airflow_dlaas.triggers.training.TrainingTrigger"
    assert TrainingTrigger(**given).serialize() == trigger.serialize()


def test_whoever_stops_listening_can_close_what_was_listened_to() -> None:
    """A wait that ends at its deadline leaves no generator running."""

    async def endless() -> AsyncGenerator[str, None]:
        try:
            await asyncio.Event().wait()
            yield "never"
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def listen() -> None:
        async with aclosing(endless()) as pieces:
            async for _ in batches(pieces, seconds=60, characters=100):
                pass

    async def stop_listening() -> None:
        task = asyncio.create_task(listen())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    closed: list[bool] = []
    asyncio.run(stop_listening())
    assert closed == [True]
