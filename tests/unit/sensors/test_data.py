"""Tests of the checks of `ObjectSensor` while the DAG is parsed, and of its resumption by an event."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_dlaas.exceptions import ProtocolError, StoreError, StoreRefused
from airflow_dlaas.hooks.compat import AirflowSensorTimeout
from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.sensors.data import ObjectSensor


def make_sensor(**options: Any) -> ObjectSensor:
    return ObjectSensor(task_id="wait", container="c", **options)


@pytest.mark.parametrize("options", [{"prefix": "p"}, {"min_count": 2}])
def test_object_sensor_refuses_a_name_with_folder_parameters(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="wait: name means one object"):
        make_sensor(name="x", **options)


def test_object_sensor_refuses_a_count_of_zero() -> None:
    with pytest.raises(ValueError, match="min_count must be 1 or more, not 0"):
        make_sensor(min_count=0)


def test_object_sensor_accepts_the_result_of_another_task_as_prefix() -> None:
    with DAG("d"):
        upload = UploadDataOperator(task_id="upload", source="/data", container="c")
        assert make_sensor(prefix=upload.output).upstream_task_ids == {"upload"}


def test_object_sensor_returns_the_address_of_the_object_or_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SWIFT_DEFAULT", "swift://a%3Au:key@store:8080")
    assert make_sensor(name="day/x.csv").execute_complete({}, {"there": True}) == "swift://swift_default@c/day/x.csv"
    assert make_sensor(prefix="day").execute_complete({}, {"there": True}) == "swift://swift_default@c/day"


def test_deferred_object_sensor_raises_sensor_timeout() -> None:
    with pytest.raises(AirflowSensorTimeout, match=r"timed out: 8 s have passed without object 'x' in container 'c'$"):
        make_sensor(name="x", timeout=8).execute_complete({}, {"overdue": ""})
    with pytest.raises(AirflowSensorTimeout, match=r"2 objects under 'p' in container 'c' \(The store is down\)"):
        make_sensor(prefix="p", min_count=2).execute_complete({}, {"overdue": "The store is down"})


@pytest.mark.parametrize(
    ("event", "error"), [({"refused": "no"}, StoreRefused), ({"failed": "no"}, StoreError), ({}, ProtocolError)]
)
def test_deferred_object_sensor_fails_with_the_error_of_the_store(event: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make_sensor(name="x").execute_complete({}, event)
