"""Waits for trainings: batches of log lines, log messages, and trigger events."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
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
from airflow_dlaas.task_runs import wait_for_training as module
from airflow_dlaas.task_runs.trigger_events import error_event, parse_training_event, training_event
from airflow_dlaas.triggers.training import TrainingTrigger
from tests.builders import a_training
from tests.recording import recording_logger

logger = logging.getLogger(__name__)


def test_an_event_is_parsed_to_the_same_training() -> None:
    training = a_training("canceled")
    assert parse_training_event(training_event(training)) == training


def test_an_error_event_is_raised_as_the_same_error() -> None:
    for error in (
        NotFound("no such training"),
        Unreachable("no answer"),
        InvalidRequest("wrong", code="C103", target="training_data[0]"),
        NotConfigured("half"),
        InvalidDefinition(["a: is missing", "b: is wrong"]),
    ):
        with pytest.raises(type(error)) as raised:
            parse_training_event(json.loads(json.dumps(error_event(error))))
        assert str(raised.value) == str(error)
        assert vars(raised.value) == vars(error)


def test_a_foreign_error_and_a_foreign_event_are_protocol_errors() -> None:
    with pytest.raises(ProtocolError, match="failed: KeyError: 'x'"):
        parse_training_event(error_event(KeyError("x")))
    for event in (None, {}, {"status": "success"}, {"training": 1}):
        with pytest.raises(ProtocolError):
            parse_training_event(event)


def test_a_trigger_is_made_again_from_its_serialization() -> None:
    trigger = TrainingTrigger(training_id="training-1", dlaas_conn_id="c", deadline=12.5)
    path, given = trigger.serialize()
    assert path == "airflow_dlaas.triggers.training.TrainingTrigger"
    assert TrainingTrigger(**given).serialize() == trigger.serialize()


class UnreachableWatcher:
    """A watcher of a service that does not answer for a while."""

    last_error: str | None = "No answer"

    def __init__(self) -> None:
        self.updated = asyncio.Event()

    async def updates(self, _training_id: str) -> AsyncGenerator[Any, None]:
        await self.updated.wait()
        yield a_training("completed")


def test_a_lasting_error_is_logged_once_a_minute_and_so_is_its_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=__name__)
    slept: list[float] = []

    async def no_log(*_: Any) -> None:
        return

    async def scenario() -> Any:
        watcher: Any = UnreachableWatcher()

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            if sum(slept) >= 150:
                watcher.last_error = None
            if sum(slept) >= 160:
                watcher.updated.set()
                await asyncio.Event().wait()

        return await module.wait_for_training(None, watcher, "t", deadline=None, logger=logger, sleep=sleep)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_forward_log", no_log)
    assert asyncio.run(scenario()).state is TrainingState.COMPLETED
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        *[("WARNING", "No answer")] * 3,
        ("INFO", "The service answers again; waiting for training t"),
        ("INFO", "Training t: completed"),
    ]


def test_the_deadline_ends_a_wait_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_log(*_: Any) -> None:
        return

    monkeypatch.setattr(module, "_forward_log", no_log)
    monkeypatch.setattr(module, "FIRST_STATUS_TIMEOUT", 0.0)

    async def scenario() -> None:
        watcher: Any = UnreachableWatcher()
        await module.wait_for_training(None, watcher, "t", deadline=1.0, logger=logger, clock=lambda: 2.0)  # type: ignore[arg-type]

    with pytest.raises(Unreachable, match="Timeout"):
        asyncio.run(scenario())


class FakeService:
    """A watcher that yields the trainings of `updates_queue`, and a client that counts the requests for the log."""

    last_error: str | None = None

    def __init__(self, *refusals: Exception) -> None:
        self.updates_queue: asyncio.Queue[Training] = asyncio.Queue()
        self.messages: asyncio.Queue[str] = asyncio.Queue()
        self.log_requests = 0
        self._refusals = list(refusals)
        self._requested: asyncio.Queue[int] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    async def updates(self, _training_id: str) -> AsyncGenerator[Training, None]:
        while True:
            training = await self.updates_queue.get()
            yield training
            if training.state.is_final:
                return

    def token(self, **_: Any) -> str:
        """The first step of a log stream, which opens no socket without a token. Called in a thread."""
        self.log_requests += 1
        self._loop.call_soon_threadsafe(self._requested.put_nowait, self.log_requests)
        raise self._refusals.pop(0) if self._refusals else NotFound("There is no log")

    async def until_log_requested(self) -> None:
        await self._requested.get()

    def wait(self, **options: Any) -> asyncio.Task[Training]:
        source: Any = self
        return asyncio.create_task(
            module.wait_for_training(
                source, source, "t", deadline=None, logger=recording_logger(self.messages.put_nowait), **options
            )
        )


def queued(place: int) -> Training:
    return a_training("pending", phase="queued", queue_position=place)


def test_each_attempt_and_what_the_training_waits_for_are_logged_once() -> None:
    ended = {"number": 1, "reason": "The learner was lost"}
    resumed = {"training_id": a_training().id, "attempt": 1, "number": 7}
    second: dict[str, Any] = {"attempt": 2, "attempts": [ended, {"number": 2}]}

    async def scenario() -> None:
        service = FakeService()
        waiting = service.wait()
        for status, messages in (
            ({"phase": "queued", "waits_for": "training-9"}, ["running, queued until training training-9 has ended"]),
            ({"phase": "processing", "attempt": 1}, ["running, processing"]),
            (
                {"phase": "recovering", "queue_position": 2, **second},
                [
                    "attempt 1 ended: The learner was lost; attempt 2 follows",
                    "running, recovering: waits for GPUs behind 2 others",
                ],
            ),
            ({"phase": "recovering", **second}, ["running, recovering: waits for GPUs"]),
            ({"phase": "loading", **second}, ["running, loading"]),
            (
                {"phase": "processing", "resumed_from": resumed, **second},
                ["attempt 2 begins with checkpoint 7 of attempt 1", "running, processing"],
            ),
            ({"phase": "storing", "resumed_from": resumed, **second}, ["running, storing"]),
        ):
            service.updates_queue.put_nowait(a_training("running", **status))
            for message in messages:
                assert await service.messages.get() == f"Training t: {message}"
        service.updates_queue.put_nowait(a_training("completed", resumed_from=resumed, **second))
        await waiting
        assert await service.messages.get() == "Training t: completed"
        assert service.messages.empty()

    asyncio.run(asyncio.wait_for(scenario(), 30))


@pytest.mark.parametrize(
    "started",
    [a_training("running"), a_training("pending", phase="preparing"), a_training("completed"), a_training("canceled")],
    ids=["running", "its environment is made", "ended", "canceled"],
)
def test_the_log_is_requested_as_soon_as_it_may_exist_and_not_while_the_training_is_queued(started: Training) -> None:
    async def scenario() -> None:
        service = FakeService()
        waiting = service.wait()
        for place in (3, 2, 1):
            service.updates_queue.put_nowait(queued(place))
            assert await service.messages.get() == f"Training t: pending, queued behind {place} others"
        service.updates_queue.put_nowait(a_training("pending"))  # from a service without phases
        assert await service.messages.get() == "Training t: pending"
        assert service.log_requests == 0
        service.updates_queue.put_nowait(started)
        await service.until_log_requested()
        if not started.state.is_final:
            service.updates_queue.put_nowait(a_training("completed"))
        await waiting

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_refused_log_stream_is_logged_once_and_retried_at_the_end_at_the_latest() -> None:
    """The service accepts log streams of ended trainings; its Retry-After may be long after the end."""

    async def scenario() -> None:
        service = FakeService(RateLimited("2000 log streams are open", retry_after=500))
        waiting = service.wait()
        service.updates_queue.put_nowait(a_training("running"))
        assert await service.messages.get() == "Training t: running"
        message = await service.messages.get()
        assert message.startswith(
            "Following the log of training t failed (2000 log streams are open (rate_limit_exceeded)); retrying in"
        )
        service.updates_queue.put_nowait(a_training("running", phase="storing"))
        assert await service.messages.get() == "Training t: running, storing"
        assert service.log_requests == 1
        service.updates_queue.put_nowait(a_training("completed"))
        assert (await waiting).state is TrainingState.COMPLETED
        assert service.log_requests == 2
        assert await service.messages.get() == "Training t: completed"
        assert service.messages.empty()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_an_error_in_showing_the_log_does_not_replace_the_result(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async def broken_log(*_: Any) -> None:
            raise KeyError("status")

        monkeypatch.setattr(module, "_forward_log", broken_log)
        service = FakeService()
        waiting = service.wait()
        service.updates_queue.put_nowait(a_training("completed"))
        assert (await waiting).state is TrainingState.COMPLETED
        assert await service.messages.get() == "Training t: completed"
        message = await service.messages.get()
        assert message.startswith("Showing the log of training t failed (KeyError: 'status')")

    asyncio.run(asyncio.wait_for(scenario(), 30))
    assert caplog.records[-1].exc_info is not None


def test_a_cancellation_during_the_clean_up_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow cancels a trigger repeatedly; after a swallowed cancellation the trigger would run on."""

    async def scenario() -> None:
        closing, close = asyncio.Event(), asyncio.Event()

        async def slow_log(*_: Any) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                closing.set()
                await close.wait()

        monkeypatch.setattr(module, "_forward_log", slow_log)
        monkeypatch.setattr(module, "LOG_DRAIN_TIMEOUT", 0.0)
        service = FakeService()
        waiting = service.wait()
        service.updates_queue.put_nowait(a_training("completed"))
        await closing.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        close.set()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_no_log_is_requested_while_the_service_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        requests: asyncio.Queue[str] = asyncio.Queue()

        async def broken(_client: Any, training_id: str, **_: Any) -> AsyncGenerator[Any, None]:
            requests.put_nowait(training_id)
            raise Unreachable("The connection of the log broke")
            yield

        checks = 0

        class CountingService(FakeService):
            @property
            def last_error(self) -> str | None:  # type: ignore[override]
                nonlocal checks
                checks += 1
                return "No answer" if checks < 20 else None

        monkeypatch.setattr("airflow_dlaas.client.log_stream.follow_log", broken)
        monkeypatch.setattr(module, "LOG_RETRY_INTERVAL", 0.0)
        monkeypatch.setattr(module, "ERROR_CHECK_INTERVAL", 0.0)

        async def sleep_forever(_: float) -> None:
            await asyncio.Event().wait()

        service = CountingService()
        waiting = service.wait(sleep=sleep_forever)  # the logging of errors checks once
        service.updates_queue.put_nowait(a_training("running"))
        assert await requests.get() == "t"
        assert await requests.get() == "t"
        assert checks >= 20
        service.updates_queue.put_nowait(a_training("completed"))
        await waiting

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_each_warning_of_the_status_is_logged_once_also_while_the_training_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=__name__)

    async def no_log(*_: Any) -> None:
        return

    class Watcher:
        last_error = None

        async def updates(self, _training_id: str) -> AsyncGenerator[Any, None]:
            for state, warnings in (
                ("running", None),
                ("running", ["stalled\x1b[2J"]),
                ("running", ["stalled\x1b[2J"]),
                ("completed", ["stalled\x1b[2J", "not stored"]),
            ):
                yield a_training(state, warnings=warnings)

    monkeypatch.setattr(module, "_forward_log", no_log)
    asyncio.run(module.wait_for_training(None, Watcher(), "t", deadline=None, logger=logger))  # type: ignore[arg-type]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Training t: running"),
        ("WARNING", "Training t: stalled\\x1b[2J"),
        ("INFO", "Training t: completed"),
        ("WARNING", "Training t: not stored"),
    ]
