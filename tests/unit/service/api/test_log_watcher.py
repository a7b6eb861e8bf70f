"""Polls of trainings with log streams: their cost, and which log streams they wake."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.api.log_watcher import MAX_POLL_SHARE, POLL_INTERVAL, LogWatcher, LoopEvent

PENDING, RUNNING, COMPLETED = TrainingState.PENDING, TrainingState.RUNNING, TrainingState.COMPLETED


class FakeStore:
    """A fake store with states, which counts its calls."""

    def __init__(self, **states: TrainingState | None) -> None:
        self.states: dict[str, TrainingState | None] = states
        self.number = 1
        self.calls: Counter[str] = Counter()
        self.failing = False

    def put(self, **states: TrainingState) -> None:
        self.states |= states
        self.number += 1

    def current_revision(self) -> int:
        self.calls["revision"] += 1
        if self.failing:
            raise HostError("The database is locked")
        return self.number

    def get_states(self, ids: Collection[str]) -> Mapping[str, TrainingState | None]:
        self.calls["states"] += 1
        return {one: self.states[one] for one in ids if one in self.states}


class FakeFileSizes:
    """Fake file sizes by path, which count their reads."""

    def __init__(self) -> None:
        self.sizes: Counter[str] = Counter()
        self.calls = 0

    def __call__(self, path: str) -> int:
        self.calls += 1
        return self.sizes[path]


async def take_events(*events: LoopEvent) -> list[bool]:
    """Return which of *events* are set, and clear all."""
    await asyncio.sleep(0)
    found = [one.event.is_set() for one in events]
    for one in events:
        one.event.clear()
    return found


def make_watcher(store: FakeStore, file_sizes: FakeFileSizes, **options: Any) -> LogWatcher:
    """A watcher without a thread: the test calls `poll`."""
    return LogWatcher(lambda: store, get_file_size=file_sizes, **{"spawn_thread": lambda _: None, **options})  # type: ignore[arg-type,return-value]


def log(name: str) -> str:
    return f"{name}/log"


def test_poll_wakes_only_log_streams_of_grown_files() -> None:
    async def scenario() -> None:
        store, file_sizes = FakeStore(a=RUNNING, b=RUNNING), FakeFileSizes()
        watcher = make_watcher(store, file_sizes)
        with (
            watcher.follow("a", RUNNING, Path("a")) as (_, one),
            watcher.follow("a", RUNNING, Path("a")) as (_, two),
            watcher.follow("b", RUNNING, Path("b")) as (_, other),
        ):
            watcher.poll()
            assert await take_events(one, two, other) == [False, False, False]
            file_sizes.sizes[log("a")] += 10
            watcher.poll()
            assert await take_events(one, two, other) == [True, True, False]
            watcher.poll()
            assert await take_events(one, two, other) == [False, False, False]

    asyncio.run(scenario())


def test_cost_of_a_poll_does_not_depend_on_the_log_streams_of_a_training() -> None:
    async def scenario() -> tuple[int, Counter[str]]:
        store, file_sizes = FakeStore(a=RUNNING), FakeFileSizes()
        watcher = make_watcher(store, file_sizes)
        with ExitStack() as stack:
            for _ in range(50):
                stack.enter_context(watcher.follow("a", RUNNING, Path("a")))
            for _ in range(10):
                watcher.poll()
        return file_sizes.calls, store.calls

    assert asyncio.run(scenario()) == (2 * 10, Counter(revision=10, states=1))


def test_states_are_read_together_and_only_after_a_change() -> None:
    async def scenario() -> None:
        names = [f"t{number}" for number in range(100)]
        store, file_sizes = FakeStore(**dict.fromkeys(names, PENDING)), FakeFileSizes()
        watcher = make_watcher(store, file_sizes)
        with ExitStack() as stack:
            events = [stack.enter_context(watcher.follow(name, PENDING, Path(name)))[1] for name in names]
            for _ in range(5):
                watcher.poll()
            assert store.calls == Counter(revision=5, states=1)
            assert not any(await take_events(*events))
            store.put(t7=RUNNING)
            watcher.poll()
            assert store.calls == Counter(revision=6, states=2)
            assert [number for number, set_ in enumerate(await take_events(*events)) if set_] == [7]

    asyncio.run(scenario())


def test_state_of_a_new_training_is_read_without_a_change() -> None:
    """Its state may have changed between the read of the log stream and the first poll."""

    async def scenario() -> None:
        store, file_sizes = FakeStore(a=RUNNING, b=COMPLETED), FakeFileSizes()
        watcher = make_watcher(store, file_sizes)
        with watcher.follow("a", RUNNING, Path("a")):
            watcher.poll()
            with watcher.follow("b", RUNNING, Path("b")) as (followed, event):
                watcher.poll()
                assert await take_events(event) == [True]
                assert followed.state is COMPLETED

    asyncio.run(scenario())


def test_deleted_training_is_detected_and_unknown_state_is_ignored() -> None:
    async def scenario() -> None:
        store, file_sizes = FakeStore(a=PENDING, b=PENDING), FakeFileSizes()
        watcher = make_watcher(store, file_sizes)
        with (
            watcher.follow("a", PENDING, Path("a")) as (deleted, event),
            watcher.follow("b", PENDING, Path("b")) as (unknown, other),
        ):
            watcher.poll()
            del store.states["a"]
            store.states["b"] = None
            store.put()
            watcher.poll()
            assert await take_events(event, other) == [True, False]
            assert (deleted.deleted, unknown.deleted, unknown.state) == (True, False, PENDING)

    asyncio.run(scenario())


def test_files_of_ended_trainings_are_not_polled() -> None:
    async def scenario() -> int:
        store, file_sizes = FakeStore(a=RUNNING), FakeFileSizes()
        watcher = make_watcher(store, file_sizes)
        with watcher.follow("a", RUNNING, Path("a")):
            watcher.poll()
            store.put(a=COMPLETED)
            watcher.poll()
            before = file_sizes.calls
            watcher.poll()
            return file_sizes.calls - before

    assert asyncio.run(scenario()) == 0


def test_nothing_is_polled_without_log_streams() -> None:
    async def scenario() -> None:
        with watcher.follow("a", RUNNING, Path("a")):
            pass
        watcher.poll()

    store, file_sizes = FakeStore(a=RUNNING), FakeFileSizes()
    watcher = make_watcher(store, file_sizes)
    asyncio.run(scenario())
    assert (store.calls, file_sizes.calls) == (Counter(), 0)


def test_files_are_polled_while_the_database_fails_and_states_are_read_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        store, file_sizes = FakeStore(a=RUNNING), FakeFileSizes()
        watcher = make_watcher(store, file_sizes)
        with watcher.follow("a", RUNNING, Path("a")) as (followed, event):
            watcher.poll()
            store.failing = True
            for _ in range(3):
                file_sizes.sizes[log("a")] += 1
                watcher.poll()
                assert await take_events(event) == [True]
            store.failing = False
            store.states["a"] = COMPLETED  # with the same revision, as in a restored database
            watcher.poll()
            assert await take_events(event) == [True]
            assert followed.state is COMPLETED

    caplog.set_level("INFO")
    asyncio.run(scenario())
    assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]
    assert "The database is locked" in caplog.text


class Time:
    """A clock that advances by its sleeps; calls *on_end* after *sleeps* of them."""

    def __init__(self, *, sleeps: int, on_end: Callable[[], None]) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self._left, self._on_end = sleeps, on_end

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if len(self.pauses) == self._left:
            self._on_end()


def pauses(*, poll_seconds: float, failing: type[Exception] | None = None) -> list[float]:
    """Return the pauses between four polls that take *poll_seconds* seconds each."""
    started: list[Callable[[], None]] = []

    def slow(path: str) -> int:
        time.now += poll_seconds / 2  # each poll reads two files
        if failing is not None:
            raise failing("of a kind that was not expected")
        return 0

    async def scenario() -> None:
        with ExitStack() as stack:
            nonlocal time
            time = Time(sleeps=4, on_end=stack.close)
            watcher = LogWatcher(
                lambda: store, get_file_size=slow, spawn_thread=started.append, clock=time, sleep=time.sleep
            )  # type: ignore[arg-type,return-value]
            stack.enter_context(watcher.follow("a", RUNNING, Path("a")))
            started.pop()()
            with watcher.follow("a", RUNNING, Path("a")):
                assert len(started) == 1  # the previous thread has ended, so a new one was started

    store = FakeStore(a=RUNNING)
    time: Time
    asyncio.run(scenario())
    return time.pauses


def test_pause_grows_with_the_duration_of_polls() -> None:
    assert pauses(poll_seconds=0.001) == [POLL_INTERVAL] * 4
    assert pauses(poll_seconds=1.0) == [pytest.approx(1.0 / MAX_POLL_SHARE)] * 4


def test_unexpected_error_of_a_poll_is_logged_and_retried(caplog: pytest.LogCaptureFixture) -> None:
    assert len(pauses(poll_seconds=0, failing=ZeroDivisionError)) == 4
    assert "of a kind that was not expected" in caplog.text


def test_failed_thread_start_affects_one_log_stream_and_is_retried_by_the_next() -> None:
    async def scenario() -> None:
        outcomes: list[RuntimeError | None] = [RuntimeError("can't start new thread"), None]
        started: list[Callable[[], None]] = []

        def start(run: Callable[[], None]) -> None:
            if (error := outcomes.pop(0)) is not None:
                raise error
            started.append(run)

        store, file_sizes = FakeStore(a=RUNNING, b=RUNNING), FakeFileSizes()
        watcher = make_watcher(store, file_sizes, spawn_thread=start)
        with pytest.raises(RuntimeError), watcher.follow("a", RUNNING, Path("a")):
            pass
        with watcher.follow("b", RUNNING, Path("b")):
            assert len(started) == 1
            watcher.poll()
        assert file_sizes.calls == 2, "the training of the failed log stream is still polled"

    asyncio.run(scenario())


def test_states_are_read_again_after_a_failed_poll() -> None:
    async def scenario() -> None:
        class FailingStore(FakeStore):
            def get_states(self, ids: Collection[str]) -> Mapping[str, TrainingState | None]:
                found = super().get_states(ids)
                if self.calls["states"] == 2:
                    raise ValueError("a value that no driver reads")
                return found

        store, file_sizes = FailingStore(a=PENDING), FakeFileSizes()
        watcher = make_watcher(store, file_sizes)
        with watcher.follow("a", PENDING, Path("a")):
            watcher.poll()
            # Training b ended between the read of the log stream and the poll, so there is no new revision.
            store.states["b"] = COMPLETED
            with watcher.follow("b", RUNNING, Path("b")) as (followed, event):
                with pytest.raises(ValueError, match="no driver"):
                    watcher.poll()
                watcher.poll()
                assert followed.state is COMPLETED
                assert await take_events(event) == [True]

    asyncio.run(scenario())
