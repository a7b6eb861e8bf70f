"""Sensors for objects, on the worker and in the triggerer, against a real Swift."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import StoreRefused
from airflow_dlaas.hooks.compat import AirflowSensorTimeout, AirflowTaskTimeout
from airflow_dlaas.sensors.data import ObjectSensor
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.task_runs import first_event, wait_for_objects
from airflow_dlaas.triggers.data import ObjectTrigger
from tests.conftest import free_port


def a_sensor(container: str, **options: Any) -> ObjectSensor:
    return ObjectSensor(task_id="wait", container=container, poke_interval=0.1, **options)


def test_a_sensor_of_existing_objects_does_not_wait(store: SwiftStore, container: str) -> None:
    store.create_container(container)
    store.put(container, "day/a", b"a")
    for deferrable in (True, False):
        sensor = a_sensor(container, prefix="day", deferrable=deferrable)
        assert sensor.execute({}) == f"swift://swift_default@{container}/day"


@pytest.mark.usefixtures("store")
def test_a_sensor_ends_at_its_timeout(container: str) -> None:
    with pytest.raises(AirflowSensorTimeout):
        a_sensor(container, name="late", timeout=0.3, deferrable=False).execute({})


@pytest.fixture
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_for_objects, "MIN_POLL_INTERVAL", 0.05)
    monkeypatch.setattr(first_event, "FIRST_EVENT_DELAY", 0.0)


def deferred(sensor: ObjectSensor) -> ObjectTrigger:
    """Defer *sensor*, and make its trigger as the triggerer does."""
    with pytest.raises(TaskDeferred) as deferral:
        sensor.execute({})
    trigger = deferral.value.trigger
    assert isinstance(trigger, ObjectTrigger)
    return ObjectTrigger(**json.loads(json.dumps(trigger.serialize()[1])))


async def event_of(trigger: ObjectTrigger) -> Any:
    return (await anext(aiter(trigger.run()))).payload


@pytest.mark.usefixtures("_short_intervals")
def test_many_deferred_sensors_wait_for_a_container_that_does_not_exist_yet(store: SwiftStore, container: str) -> None:
    sensors = [a_sensor(container, name="late", deferrable=True, timeout=600)]
    sensors += [a_sensor(container, min_count=2, deferrable=True, timeout=600) for _ in range(20)]
    triggers = [deferred(sensor) for sensor in sensors]

    async def wait() -> list[Any]:
        events = [asyncio.create_task(event_of(trigger)) for trigger in triggers]
        await asyncio.sleep(0.3)
        await asyncio.to_thread(store.create_container, container)
        await asyncio.to_thread(store.put, container, "late", b"1")
        first = await events[0]
        assert not any(event.done() for event in events[1:])
        await asyncio.to_thread(store.put, container, "later", b"2")
        return [first, *await asyncio.gather(*events[1:])]

    for sensor, event in zip(sensors, asyncio.run(wait()), strict=True):
        assert sensor.execute_complete({}, event).startswith(f"swift://swift_default@{container}/")


@pytest.mark.usefixtures("_short_intervals", "store")
def test_a_deferred_sensor_ends_at_its_timeout(container: str) -> None:
    sensor = a_sensor(container, name="late", timeout=0.5, deferrable=True)
    trigger = deferred(sensor)
    event = asyncio.run(event_of(trigger))
    assert time.time() >= trigger.deadline
    with pytest.raises(AirflowSensorTimeout, match="without object 'late'"):
        sensor.execute_complete({}, event)


@pytest.mark.usefixtures("_short_intervals", "store")
def test_a_deferred_sensor_ends_at_its_execution_timeout(container: str) -> None:
    """Airflow does not apply it to deferred tasks."""
    limit = timedelta(seconds=0.5)
    sensor = a_sensor(container, name="late", timeout=600, deferrable=True, execution_timeout=limit)
    with pytest.raises(AirflowTaskTimeout, match=r"0\.5 s have passed without object 'late'"):
        sensor.execute_complete({}, asyncio.run(event_of(deferred(sensor))))


def test_an_event_for_an_object_that_appears_at_once_is_delayed(store: SwiftStore, container: str) -> None:
    """An earlier event would race the end of the worker's process, and the scheduler would fail the task."""
    sensor = a_sensor(container, name="soon", timeout=600, deferrable=True)
    trigger = deferred(sensor)
    store.create_container(container)
    store.put(container, "soon", b"1")
    trigger.deferred_at = time.time() - first_event.FIRST_EVENT_DELAY + 1
    assert asyncio.run(event_of(trigger)) == {"there": True}
    assert time.time() >= trigger.deferred_at + first_event.FIRST_EVENT_DELAY


def reach(swift: SwiftStoreConnection, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    known = {"conn_type": "swift", "host": swift.auth_url, "login": swift.user_id, "password": "wrong", **changed}
    monkeypatch.setenv("AIRFLOW_CONN_SWIFT_DEFAULT", json.dumps(known))


@pytest.mark.usefixtures("_short_intervals")
def test_an_unreachable_store_is_retried_and_named_at_the_timeout(
    swift: SwiftStoreConnection, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    reach(swift, monkeypatch, host=f"http://127.0.0.1:{free_port()}/auth/v1.0")
    with pytest.raises(AirflowSensorTimeout):
        a_sensor(container, name="x", timeout=0.3, deferrable=False).execute({})
    sensor = a_sensor(container, name="x", timeout=0.3, deferrable=True)
    with pytest.raises(AirflowSensorTimeout, match="cannot be reached"):
        sensor.execute_complete({}, asyncio.run(event_of(deferred(sensor))))


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_refusal_of_the_store_fails_the_sensor_at_once(
    swift: SwiftStoreConnection, monkeypatch: pytest.MonkeyPatch, container: str, deferrable: bool
) -> None:
    reach(swift, monkeypatch)
    with pytest.raises(StoreRefused):
        a_sensor(container, name="x", deferrable=deferrable).execute({})
