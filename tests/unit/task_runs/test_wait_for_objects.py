"""How long is looked, what is waited out, and what is reported; and what counts as being there."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any, cast

import pytest

from airflow_dlaas.exceptions import (
    ContainerNotFound,
    NotConfigured,
    ProtocolError,
    StoreError,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.task_runs import wait_for_objects
from airflow_dlaas.task_runs.wait_for_objects import ObjectQuery, parse_object_event, poll_until_found
from airflow_dlaas.triggers import data
from airflow_dlaas.triggers.data import ObjectTrigger


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_for_objects, "MIN_POLL_INTERVAL", 0.0)


def watch(*sights: bool | StoreError, seconds: float | None = None, said: list[str] | None = None) -> dict[str, Any]:
    """Look until the last of *sights* repeats itself for good."""
    upcoming = list(sights)

    async def look() -> bool:
        sight = upcoming.pop(0) if len(upcoming) > 1 else upcoming[0]
        if isinstance(sight, StoreError):
            raise sight
        return sight

    deadline = None if seconds is None else time.time() + seconds
    say = (said if said is not None else []).append
    return asyncio.run(poll_until_found(look, interval=0.01, deadline=deadline, say=say))


def test_it_is_looked_until_it_is_there() -> None:
    assert watch(False, False, True) == {"there": True}


def test_trouble_that_passes_is_waited_out_and_told_once() -> None:
    said: list[str] = []
    away = StoreUnreachable("The store is away")
    assert watch(False, away, away, False, True, said=said) == {"there": True}
    assert said == ["The store is away; waiting on", "The object store answers again"]


@pytest.mark.parametrize(("error", "kind"), [(StoreRefused("no"), "refused"), (StoreError("no"), "failed")])
def test_a_refusal_is_reported_at_once(error: StoreError, kind: str) -> None:
    assert watch(False, error) == {kind: "no"}


def test_the_deadline_ends_it_and_the_trouble_there_was_is_told() -> None:
    assert watch(False, seconds=0.05) == {"overdue": ""}
    assert watch(StoreUnreachable("away"), seconds=0.05) == {"overdue": "away"}


def test_one_look_is_taken_though_the_deadline_has_passed() -> None:
    """A trigger may have been without a triggerer for long."""
    assert watch(True, seconds=-60) == {"there": True}


def test_a_store_that_never_answers_does_not_hold_up_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_for_objects, "MIN_POLL_TIMEOUT", 0.05)

    async def look() -> bool:
        await asyncio.Event().wait()
        return True

    report = asyncio.run(poll_until_found(look, interval=1, deadline=time.time(), say=lambda _: None))
    assert report == {"overdue": "The object store does not answer"}


class Shelf:
    """A store with one container, ``c``."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def list_objects(self, container: str, prefix: str) -> Iterator[StoredObject]:
        if container != "c":
            raise ContainerNotFound(container)
        for name in self.names:
            if name.startswith(prefix):
                yield StoredObject(name, 0, None, datetime.now(timezone.utc), is_folder_marker=name.endswith("/"))


@pytest.mark.parametrize(
    ("sought", "there"),
    [
        (ObjectQuery("c", "day/a", "", 1), True),
        (ObjectQuery("c", "day", "", 1), False),
        (ObjectQuery("c", "other", "", 1), True),
        (ObjectQuery("c", None, "day", 2), True),
        (ObjectQuery("c", None, "day", 3), False),
        (ObjectQuery("c", None, "da", 1), False),
        (ObjectQuery("c", None, "", 4), True),
        (ObjectQuery("c", None, "", 5), False),
        (ObjectQuery("missing", None, "", 1), False),
        (ObjectQuery("missing", "day/a", "", 1), False),
    ],
)
def test_what_counts_as_being_there(sought: ObjectQuery, there: bool) -> None:
    """A prefix is a folder's name, what marks a folder is no object, and a missing container holds nothing yet."""
    store = cast("ObjectStore", Shelf("day/", "day/a", "day/b", "other", "other/c"))
    assert sought.is_found(store) is there


def test_a_trigger_can_be_made_again_from_what_it_says_of_itself() -> None:
    trigger = ObjectTrigger(
        container="c", swift_conn_id="s", prefix="p", min_count=3, poke_interval=7.5, deadline=1_800_000_000.5
    )
    path, given = trigger.serialize()
    assert path == "airflow_dlaas.triggers.data.ObjectTrigger"
    assert ObjectTrigger(**given).serialize() == trigger.serialize()


def event_of(trigger: ObjectTrigger) -> Any:
    async def first() -> Any:
        return (await anext(aiter(trigger.run()))).payload

    return json.loads(json.dumps(asyncio.run(first())))


def test_a_connection_that_cannot_be_used_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that leaves a trigger fails its task with a sentence that does not name the cause."""
    monkeypatch.setenv("AIRFLOW_CONN_HALF", json.dumps({"conn_type": "swift", "login": "a:u"}))
    event = event_of(ObjectTrigger(container="c", swift_conn_id="half"))
    with pytest.raises(NotConfigured, match="half"):
        parse_object_event(event)


class Watched(Shelf):
    """An empty container, ``c``; each look calls *looked* first."""

    def __init__(self, looked: Callable[[], object]) -> None:
        super().__init__()
        self.looked = looked

    def list_objects(self, container: str, prefix: str) -> Iterator[StoredObject]:
        self.looked()
        return super().list_objects(container, prefix)

    def close(self) -> None:
        pass


@pytest.fixture
def look_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[Watched], ObjectTrigger]:
    """Make a trigger that looks at the given store."""

    def trigger(store: Watched) -> ObjectTrigger:
        monkeypatch.setenv("AIRFLOW_CONN_WHOLE", "swift://a%3Au:key@store:8080")
        monkeypatch.setattr(data, "make_store", lambda *_, **__: store)
        return ObjectTrigger(container="c", swift_conn_id="whole")

    return trigger


def test_an_unexpected_error_is_reported_with_its_name(look_at: Callable[[Watched], ObjectTrigger]) -> None:
    event = event_of(look_at(Watched(lambda: {}["bytes"])))
    with pytest.raises(ProtocolError, match="broke off: KeyError: 'bytes'"):
        parse_object_event(event)


def test_a_cancellation_is_not_reported_and_ends_the_trigger(
    look_at: Callable[[Watched], ObjectTrigger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_for_objects, "MIN_POLL_INTERVAL", 3600.0)

    async def scene() -> None:
        loop, looked = asyncio.get_running_loop(), asyncio.Event()
        trigger = look_at(Watched(lambda: loop.call_soon_threadsafe(looked.set)))
        running = asyncio.ensure_future(anext(aiter(trigger.run())))
        await looked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scene())
