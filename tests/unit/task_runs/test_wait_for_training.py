"""What of a log is told at once, and what a trigger's report means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import (
    InvalidDefinition,
    InvalidRequest,
    NotConfigured,
    NotFound,
    ProtocolError,
    RateLimited,
    Unreachable,
)
from airflow_dlaas.task_runs import wait_for_training as attending
from airflow_dlaas.task_runs.trigger_events import error_event, parse_training_event, training_event
from airflow_dlaas.task_runs.wait_for_training import batch_text
from airflow_dlaas.triggers.training import TrainingTrigger
from tests.builders import a_training


async def told(pieces: AsyncIterator[str], *, seconds: float = 60, characters: int = 100) -> list[str]:
    return [text async for text in batch_text(pieces, max_seconds=seconds, max_characters=characters)]


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
        return await anext(batch_text(halting(), max_seconds=0.01, max_characters=100))

    never = asyncio.Event()
    assert asyncio.run(first_told()) == "first"


def test_nothing_said_is_nothing_told() -> None:
    assert asyncio.run(told(spoken())) == []


def test_a_report_is_read_back_as_the_training_it_was() -> None:
    training = a_training("canceled")
    assert parse_training_event(training_event(training)) == training


def test_what_a_trigger_met_with_arrives_as_itself() -> None:
    for error in (
        NotFound("no such training"),
        Unreachable("no word"),
        InvalidRequest("wrong", code="C103", target="training_data[0]"),
        NotConfigured("half"),
        InvalidDefinition(["a: is missing", "b: is wrong"]),
    ):
        with pytest.raises(type(error)) as raised:
            parse_training_event(json.loads(json.dumps(error_event(error))))
        assert str(raised.value) == str(error)
        assert vars(raised.value) == vars(error)


def test_an_error_of_somebody_elses_and_a_foreign_event_are_told_apart() -> None:
    with pytest.raises(ProtocolError, match="broke off: KeyError: 'x'"):
        parse_training_event(error_event(KeyError("x")))
    for event in (None, {}, {"status": "success"}, {"training": 1}):
        with pytest.raises(ProtocolError):
            parse_training_event(event)


def test_a_trigger_can_be_made_again_from_what_it_says_of_itself() -> None:
    trigger = TrainingTrigger(training_id="training-1", dlaas_conn_id="c", deadline=12.5)
    path, given = trigger.serialize()
    assert path == "airflow_dlaas.triggers.training.TrainingTrigger"
    assert TrainingTrigger(**given).serialize() == trigger.serialize()


def test_whoever_stops_listening_can_close_what_was_listened_to() -> None:
    """A wait that ends at its deadline leaves no generator running."""

    async def endless() -> AsyncGenerator[str, None]:
        try:
            begun.set()
            await asyncio.Event().wait()
            yield "never"
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def listen() -> None:
        async with aclosing(endless()) as pieces:
            async for _ in batch_text(pieces, max_seconds=60, max_characters=100):
                pass

    async def stop_listening() -> None:
        nonlocal begun
        begun = asyncio.Event()
        task = asyncio.create_task(listen())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    closed: list[bool] = []
    begun = asyncio.Event()
    asyncio.run(stop_listening())
    assert closed == [True]


class Silent:
    """A watch that hears nothing for a while."""

    last_error: str | None = "Nothing is heard"

    def __init__(self) -> None:
        self.news = asyncio.Event()

    async def updates(self, _training_id: str) -> AsyncGenerator[Any, None]:
        await self.news.wait()
        yield a_training("completed")


def test_who_waits_is_told_why_nothing_is_heard_now_and_then_and_when_that_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    slept: list[float] = []

    async def no_log(*_: Any) -> None:
        return

    async def scene() -> Any:
        watch: Any = Silent()

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            if sum(slept) >= 150:
                watch.last_error = None
            if sum(slept) >= 160:
                watch.news.set()
                await asyncio.Event().wait()

        return await attending.wait_for_training(None, watch, "t", deadline=None, say=said.append, sleep=sleep)  # type: ignore[arg-type]

    monkeypatch.setattr(attending, "_forward_log", no_log)
    assert asyncio.run(scene()).state is TrainingState.COMPLETED
    assert said == ["Nothing is heard"] * 3 + ["The service answers again", "Training t: completed"]


def test_a_deadline_holds_though_nothing_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_log(*_: Any) -> None:
        return

    monkeypatch.setattr(attending, "_forward_log", no_log)
    monkeypatch.setattr(attending, "FIRST_STATUS_TIMEOUT", 0.0)

    async def scene() -> None:
        watch: Any = Silent()
        await attending.wait_for_training(None, watch, "t", deadline=1.0, say=lambda _: None, clock=lambda: 2.0)  # type: ignore[arg-type]

    with pytest.raises(Unreachable, match="time is up"):
        asyncio.run(scene())


class Course:
    """A watch that reports what a test puts into it, and a client that records what is asked of it about the log."""

    last_error: str | None = None

    def __init__(self, *refusals: Exception) -> None:
        self.seen: asyncio.Queue[Training] = asyncio.Queue()
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.asked = 0
        self._refusals = list(refusals)
        self._asked: asyncio.Queue[int] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    async def updates(self, _training_id: str) -> AsyncGenerator[Training, None]:
        while True:
            training = await self.seen.get()
            yield training
            if training.state.is_final:
                return

    def token(self, **_: Any) -> str:
        """What a monitor needs first: without it no socket is opened. Called in a thread."""
        self.asked += 1
        self._loop.call_soon_threadsafe(self._asked.put_nowait, self.asked)
        raise self._refusals.pop(0) if self._refusals else NotFound("There is no log here")

    async def until_asked(self) -> None:
        await self._asked.get()

    def wait(self, **options: Any) -> asyncio.Task[Training]:
        source: Any = self
        return asyncio.create_task(
            attending.wait_for_training(source, source, "t", deadline=None, say=self.said.put_nowait, **options)
        )


def queued(place: int) -> Training:
    return a_training("pending", phase="queued", queue_position=place)


@pytest.mark.parametrize(
    "begun",
    [a_training("running"), a_training("pending", phase="preparing"), a_training("completed"), a_training("canceled")],
    ids=["running", "its environment is made", "ended", "canceled"],
)
def test_the_log_of_a_training_is_asked_for_once_it_may_have_one_and_not_while_it_is_queued(begun: Training) -> None:
    async def scene() -> None:
        course = Course()
        waiting = course.wait()
        for place in (3, 2, 1):
            course.seen.put_nowait(queued(place))
            assert await course.said.get() == f"Training t: pending, queued behind {place} others"
        course.seen.put_nowait(a_training("pending"))  # of a service that names no phase
        assert await course.said.get() == "Training t: pending"
        assert course.asked == 0
        course.seen.put_nowait(begun)
        await course.until_asked()
        if not begun.state.is_final:
            course.seen.put_nowait(a_training("completed"))
        await waiting

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_monitor_that_is_refused_is_said_once_and_tried_again_at_the_end_at_the_latest() -> None:
    """The service has room for monitors of ended trainings; when it wants to be asked again may be long after."""

    async def scene() -> None:
        course = Course(RateLimited("2000 monitors are open", retry_after=500))
        waiting = course.wait()
        course.seen.put_nowait(a_training("running"))
        assert await course.said.get() == "Training t: running"
        said = await course.said.get()
        assert said.startswith("Following the log of training t failed; retrying later: 2000 monitors")
        course.seen.put_nowait(a_training("running", phase="storing"))
        assert await course.said.get() == "Training t: running, storing"
        assert course.asked == 1
        course.seen.put_nowait(a_training("completed"))
        assert (await waiting).state is TrainingState.COMPLETED
        assert course.asked == 2
        assert await course.said.get() == "Training t: completed"
        assert course.said.empty()

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_fault_in_showing_the_log_does_not_take_the_place_of_the_result(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async def broken_log(*_: Any) -> None:
            raise KeyError("status")

        monkeypatch.setattr(attending, "_forward_log", broken_log)
        course = Course()
        waiting = course.wait()
        course.seen.put_nowait(a_training("completed"))
        assert (await waiting).state is TrainingState.COMPLETED
        assert await course.said.get() == "Training t: completed"
        assert await course.said.get() == "Showing the log of training t failed: KeyError: 'status'"

    asyncio.run(asyncio.wait_for(scene(), 30))
    assert caplog.records[-1].exc_info is not None


def test_a_cancel_while_the_wait_is_cleaned_up_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow cancels a trigger again and again; a cancel that is swallowed lets the trigger go on."""

    async def scene() -> None:
        closing, close = asyncio.Event(), asyncio.Event()

        async def slow_log(*_: Any) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                closing.set()
                await close.wait()

        monkeypatch.setattr(attending, "_forward_log", slow_log)
        monkeypatch.setattr(attending, "LOG_DRAIN_TIMEOUT", 0.0)
        course = Course()
        waiting = course.wait()
        course.seen.put_nowait(a_training("completed"))
        await closing.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        close.set()

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_no_log_is_tried_while_the_service_does_not_answer_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        tried: asyncio.Queue[str] = asyncio.Queue()

        async def broken(_client: Any, training_id: str, **_: Any) -> AsyncGenerator[Any, None]:
            tried.put_nowait(training_id)
            raise Unreachable("The log broke off")
            yield

        looks = 0

        class Looked(Course):
            @property
            def last_error(self) -> str | None:  # type: ignore[override]
                nonlocal looks
                looks += 1
                return "Nothing is heard" if looks < 20 else None

        monkeypatch.setattr("airflow_dlaas.client.log_stream.follow_log", broken)
        monkeypatch.setattr(attending, "LOG_RETRY_INTERVAL", 0.0)
        monkeypatch.setattr(attending, "ERROR_CHECK_INTERVAL", 0.0)

        async def for_ever(_: float) -> None:
            await asyncio.Event().wait()

        course = Looked()
        waiting = course.wait(sleep=for_ever)  # who tells the trouble looks once
        course.seen.put_nowait(a_training("running"))
        assert await tried.get() == "t"
        assert await tried.get() == "t"
        assert looks >= 20
        course.seen.put_nowait(a_training("completed"))
        await waiting

    asyncio.run(asyncio.wait_for(scene(), 30))
