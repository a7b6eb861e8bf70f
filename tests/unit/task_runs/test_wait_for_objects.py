"""Waits for objects: the duration, the retries, the events, and which objects count."""

from __future__ import annotations

import asyncio
import json
import logging
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
from airflow_dlaas.task_runs import shared_store, wait_for_objects
from airflow_dlaas.task_runs.wait_for_objects import ObjectQuery, parse_object_event, poll_until_found
from airflow_dlaas.triggers.data import ObjectTrigger


@pytest.fixture(autouse=True)
def _short_poll_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_for_objects, "MIN_POLL_INTERVAL", 0.0)


logger = logging.getLogger(__name__)


def poll_results(*results: bool | StoreError, seconds: float | None = None) -> dict[str, Any]:
    """Poll with these *results*, the last one repeatedly, and return the event."""
    upcoming = list(results)

    async def poll() -> bool:
        result = upcoming.pop(0) if len(upcoming) > 1 else upcoming[0]
        if isinstance(result, StoreError):
            raise result
        return result

    deadline = None if seconds is None else time.time() + seconds
    return asyncio.run(poll_until_found(poll, what="object 'a'", interval=0.01, deadline=deadline, logger=logger))


def test_polling_ends_when_the_objects_exist() -> None:
    assert poll_results(False, False, True) == {"there": True}


def test_transient_errors_are_retried_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    unreachable = StoreUnreachable("The store is away")
    assert poll_results(False, unreachable, unreachable, False, True) == {"there": True}
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "Looking for object 'a' failed (The store is away); retrying every 0 s"),
        ("INFO", "The object store answers again; waiting for object 'a'"),
    ]


@pytest.mark.parametrize(("error", "kind"), [(StoreRefused("no"), "refused"), (StoreError("no"), "failed")])
def test_a_permanent_error_ends_the_polling_at_once(error: StoreError, kind: str) -> None:
    assert poll_results(False, error) == {kind: "no"}


def test_the_deadline_ends_the_polling_and_the_event_has_the_last_error() -> None:
    assert poll_results(False, seconds=0.05) == {"overdue": ""}
    assert poll_results(StoreUnreachable("away"), seconds=0.05) == {"overdue": "away"}


def test_one_poll_happens_after_the_deadline_has_passed() -> None:
    """A trigger may have waited for a triggerer for long."""
    assert poll_results(True, seconds=-60) == {"there": True}


def test_the_deadline_ends_the_polling_of_a_store_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_for_objects, "MIN_POLL_TIMEOUT", 0.05)

    async def poll() -> bool:
        await asyncio.Event().wait()
        return True

    event = asyncio.run(poll_until_found(poll, what="object 'a'", interval=1, deadline=time.time(), logger=logger))
    assert event == {"overdue": "The object store does not answer"}


class FakeStore:
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
    ("query", "found"),
    [
        (ObjectQuery("c", "day/a", "", 1), True),
        (ObjectQuery("c", "day", "", 1), False),
        (ObjectQuery("c", "other", "", 1), True),
        (ObjectQuery("c", None, "day", 2), True),
        (ObjectQuery("c", None, "day", 3), False),
        (ObjectQuery("c", None, "da", 1), False),
        (ObjectQuery("c", None, "", 4), True),
        (ObjectQuery("c", None, "", 5), False),
        (ObjectQuery("c", None, "run", 1), False),
        (ObjectQuery("c", "run/.dlaas-training", "", 1), True),
        (ObjectQuery("missing", None, "", 1), False),
        (ObjectQuery("missing", "day/a", "", 1), False),
    ],
)
def test_a_query_counts_objects_and_no_folder_markers_and_internal_objects(query: ObjectQuery, found: bool) -> None:
    """A prefix is the name of a folder, and a missing container holds no objects yet."""
    internal = ("run/.dlaas-training", "run/.dlaas-checkpoints/1/manifest-00000001.json")
    store = cast("ObjectStore", FakeStore("day/", "day/a", "day/b", "other", "other/c", *internal))
    assert query.is_found(store) is found


def test_a_trigger_is_made_again_from_its_serialization() -> None:
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


def test_the_event_has_the_error_of_an_invalid_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that leaves a trigger fails its task with a message that does not name the cause."""
    monkeypatch.setenv("AIRFLOW_CONN_HALF", json.dumps({"conn_type": "swift", "login": "a:u"}))
    event = event_of(ObjectTrigger(container="c", swift_conn_id="half"))
    with pytest.raises(NotConfigured, match="half"):
        parse_object_event(event)


class ObservedStore(FakeStore):
    """An empty container, ``c``; each poll calls *on_poll* first."""

    def __init__(self, on_poll: Callable[[], object]) -> None:
        super().__init__()
        self.on_poll = on_poll

    def list_objects(self, container: str, prefix: str) -> Iterator[StoredObject]:
        self.on_poll()
        return super().list_objects(container, prefix)

    def close(self) -> None:
        pass


@pytest.fixture
def trigger_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[ObservedStore], ObjectTrigger]:
    """Make a trigger that polls the given store."""

    def trigger(store: ObservedStore) -> ObjectTrigger:
        monkeypatch.setenv("AIRFLOW_CONN_WHOLE", "swift://a%3Au:key@store:8080")
        monkeypatch.setattr(shared_store, "make_store", lambda *_, **__: store)
        return ObjectTrigger(container="c", swift_conn_id="whole")

    return trigger


def test_the_event_has_the_name_of_an_unexpected_error_and_the_log_its_traceback(
    trigger_for: Callable[[ObservedStore], ObjectTrigger], capsys: pytest.CaptureFixture[str]
) -> None:
    event = event_of(trigger_for(ObservedStore(lambda: {}["bytes"])))
    with pytest.raises(ProtocolError, match="failed: KeyError: 'bytes'"):
        parse_object_event(event)
    assert "Traceback" in capsys.readouterr().out


def test_a_cancellation_ends_the_trigger_without_an_event(
    trigger_for: Callable[[ObservedStore], ObjectTrigger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_for_objects, "MIN_POLL_INTERVAL", 3600.0)

    async def scenario() -> None:
        loop, polled = asyncio.get_running_loop(), asyncio.Event()
        trigger = trigger_for(ObservedStore(lambda: loop.call_soon_threadsafe(polled.set)))
        running = asyncio.ensure_future(anext(aiter(trigger.run())))
        await polled.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scenario())
