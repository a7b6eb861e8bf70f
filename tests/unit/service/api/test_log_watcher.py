"""What looking at followed trainings costs, and whom it wakes."""

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


class States:
    """A store that has states, and counts what it is asked."""

    def __init__(self, **states: TrainingState | None) -> None:
        self.held: dict[str, TrainingState | None] = states
        self.number = 1
        self.asked: Counter[str] = Counter()
        self.failing = False

    def put(self, **states: TrainingState) -> None:
        self.held |= states
        self.number += 1

    def current_revision(self) -> int:
        self.asked["revision"] += 1
        if self.failing:
            raise HostError("The database is locked")
        return self.number

    def get_states(self, ids: Collection[str]) -> Mapping[str, TrainingState | None]:
        self.asked["states"] += 1
        return {one: self.held[one] for one in ids if one in self.held}


class Disk:
    """Sizes of files, by path; counts how often they are looked at."""

    def __init__(self) -> None:
        self.sizes: Counter[str] = Counter()
        self.asked = 0

    def __call__(self, path: str) -> int:
        self.asked += 1
        return self.sizes[path]


async def woken(*signals: LoopEvent) -> list[bool]:
    """Which of *signals* are set by now; all are cleared."""
    await asyncio.sleep(0)
    found = [one.event.is_set() for one in signals]
    for one in signals:
        one.event.clear()
    return found


def watcher(store: States, disk: Disk, **options: Any) -> LogWatcher:
    """A watcher whose looks are the test's."""
    return LogWatcher(lambda: store, get_file_size=disk, **{"spawn_thread": lambda _: None, **options})  # type: ignore[arg-type,return-value]


def log(name: str) -> str:
    return f"{name}/log"


def test_only_monitors_of_what_has_grown_are_woken() -> None:
    async def scene() -> None:
        store, disk = States(a=RUNNING, b=RUNNING), Disk()
        looks = watcher(store, disk)
        with (
            looks.follow("a", RUNNING, Path("a")) as (_, one),
            looks.follow("a", RUNNING, Path("a")) as (_, two),
            looks.follow("b", RUNNING, Path("b")) as (_, other),
        ):
            looks.poll()
            assert await woken(one, two, other) == [False, False, False]
            disk.sizes[log("a")] += 10
            looks.poll()
            assert await woken(one, two, other) == [True, True, False]
            looks.poll()
            assert await woken(one, two, other) == [False, False, False]

    asyncio.run(scene())


def test_a_look_costs_the_same_however_many_monitors_a_training_has() -> None:
    async def scene() -> tuple[int, Counter[str]]:
        store, disk = States(a=RUNNING), Disk()
        looks = watcher(store, disk)
        with ExitStack() as stack:
            for _ in range(50):
                stack.enter_context(looks.follow("a", RUNNING, Path("a")))
            for _ in range(10):
                looks.poll()
        return disk.asked, store.asked

    assert asyncio.run(scene()) == (2 * 10, Counter(revision=10, states=1))


def test_states_are_asked_for_once_for_all_and_only_after_a_change() -> None:
    async def scene() -> None:
        names = [f"t{number}" for number in range(100)]
        store, disk = States(**dict.fromkeys(names, PENDING)), Disk()
        looks = watcher(store, disk)
        with ExitStack() as stack:
            signals = [stack.enter_context(looks.follow(name, PENDING, Path(name)))[1] for name in names]
            for _ in range(5):
                looks.poll()
            assert store.asked == Counter(revision=5, states=1)
            assert not any(await woken(*signals))
            store.put(t7=RUNNING)
            looks.poll()
            assert store.asked == Counter(revision=6, states=2)
            assert [number for number, set_ in enumerate(await woken(*signals)) if set_] == [7]

    asyncio.run(scene())


def test_one_that_comes_later_is_asked_for_although_nothing_has_changed_since() -> None:
    """Its state may have changed between the monitor's own question and the first look."""

    async def scene() -> None:
        store, disk = States(a=RUNNING, b=COMPLETED), Disk()
        looks = watcher(store, disk)
        with looks.follow("a", RUNNING, Path("a")):
            looks.poll()
            with looks.follow("b", RUNNING, Path("b")) as (followed, signal):
                looks.poll()
                assert await woken(signal) == [True]
                assert followed.state is COMPLETED

    asyncio.run(scene())


def test_a_training_that_is_gone_is_known_to_be_and_one_in_an_unknown_state_is_not() -> None:
    async def scene() -> None:
        store, disk = States(a=PENDING, b=PENDING), Disk()
        looks = watcher(store, disk)
        with (
            looks.follow("a", PENDING, Path("a")) as (gone, signal),
            looks.follow("b", PENDING, Path("b")) as (unknown, other),
        ):
            looks.poll()
            del store.held["a"]
            store.held["b"] = None
            store.put()
            looks.poll()
            assert await woken(signal, other) == [True, False]
            assert (gone.deleted, unknown.deleted, unknown.state) == (True, False, PENDING)

    asyncio.run(scene())


def test_files_of_what_has_ended_are_looked_at_no_more() -> None:
    async def scene() -> int:
        store, disk = States(a=RUNNING), Disk()
        looks = watcher(store, disk)
        with looks.follow("a", RUNNING, Path("a")):
            looks.poll()
            store.put(a=COMPLETED)
            looks.poll()
            before = disk.asked
            looks.poll()
            return disk.asked - before

    assert asyncio.run(scene()) == 0


def test_nothing_is_asked_when_nobody_follows() -> None:
    async def scene() -> None:
        with looks.follow("a", RUNNING, Path("a")):
            pass
        looks.poll()

    store, disk = States(a=RUNNING), Disk()
    looks = watcher(store, disk)
    asyncio.run(scene())
    assert (store.asked, disk.asked) == (Counter(), 0)


def test_logs_are_followed_on_while_the_database_fails_and_states_are_caught_up_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene() -> None:
        store, disk = States(a=RUNNING), Disk()
        looks = watcher(store, disk)
        with looks.follow("a", RUNNING, Path("a")) as (followed, signal):
            looks.poll()
            store.failing = True
            for _ in range(3):
                disk.sizes[log("a")] += 1
                looks.poll()
                assert await woken(signal) == [True]
            store.failing = False
            store.held["a"] = COMPLETED  # with the same revision: a database that was put back
            looks.poll()
            assert await woken(signal) == [True]
            assert followed.state is COMPLETED

    caplog.set_level("INFO")
    asyncio.run(scene())
    assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]
    assert "The database is locked" in caplog.text


class Time:
    """A clock, and a sleep that lets it go on. Ends the following after some sleeps."""

    def __init__(self, *, sleeps: int, leave: Callable[[], None]) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self._left, self._leave = sleeps, leave

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if len(self.pauses) == self._left:
            self._leave()


def pauses(*, look_takes: float, failing: type[Exception] | None = None) -> list[float]:
    """The pauses between four looks that take so long."""
    started: list[Callable[[], None]] = []

    def slow(path: str) -> int:
        time.now += look_takes / 2  # two files each look
        if failing is not None:
            raise failing("of a kind that was not expected")
        return 0

    async def scene() -> None:
        with ExitStack() as stack:
            nonlocal time
            time = Time(sleeps=4, leave=stack.close)
            looks = LogWatcher(
                lambda: store, get_file_size=slow, spawn_thread=started.append, clock=time, sleep=time.sleep
            )  # type: ignore[arg-type,return-value]
            stack.enter_context(looks.follow("a", RUNNING, Path("a")))
            started.pop()()
            with looks.follow("a", RUNNING, Path("a")):
                assert len(started) == 1  # the one before has ended, so there is another

    store = States(a=RUNNING)
    time: Time
    asyncio.run(scene())
    return time.pauses


def test_looks_that_take_long_are_further_apart() -> None:
    assert pauses(look_takes=0.001) == [POLL_INTERVAL] * 4
    assert pauses(look_takes=1.0) == [pytest.approx(1.0 / MAX_POLL_SHARE)] * 4


def test_a_look_that_fails_unexpectedly_is_logged_and_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    assert len(pauses(look_takes=0, failing=ZeroDivisionError)) == 4
    assert "of a kind that was not expected" in caplog.text


def test_a_thread_that_cannot_be_started_fails_one_monitor_and_is_tried_again_by_the_next() -> None:
    async def scene() -> None:
        outcomes: list[RuntimeError | None] = [RuntimeError("can't start new thread"), None]
        started: list[Callable[[], None]] = []

        def start(run: Callable[[], None]) -> None:
            if (error := outcomes.pop(0)) is not None:
                raise error
            started.append(run)

        store, disk = States(a=RUNNING, b=RUNNING), Disk()
        looks = watcher(store, disk, spawn_thread=start)
        with pytest.raises(RuntimeError), looks.follow("a", RUNNING, Path("a")):
            pass
        with looks.follow("b", RUNNING, Path("b")):
            assert len(started) == 1
            looks.poll()
        assert disk.asked == 2, "the training of the monitor that failed is followed still"

    asyncio.run(scene())


def test_states_are_asked_for_again_after_a_look_that_failed_in_any_way() -> None:
    async def scene() -> None:
        class Broken(States):
            def get_states(self, ids: Collection[str]) -> Mapping[str, TrainingState | None]:
                found = super().get_states(ids)
                if self.asked["states"] == 2:
                    raise ValueError("a value that no driver reads")
                return found

        store, disk = Broken(a=PENDING), Disk()
        looks = watcher(store, disk)
        with looks.follow("a", PENDING, Path("a")):
            looks.poll()
            store.held["b"] = COMPLETED  # ended between the monitor's own look and the watcher's: no new revision
            with looks.follow("b", RUNNING, Path("b")) as (followed, signal):
                with pytest.raises(ValueError, match="no driver"):
                    looks.poll()
                looks.poll()
                assert followed.state is COMPLETED
                assert await woken(signal) == [True]

    asyncio.run(scene())
