"""What an author learns of the sensor while the DAG is parsed, and how it takes up what its trigger reported."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_dlaas.exceptions import ProtocolError, StoreError, StoreRefused
from airflow_dlaas.hooks.compat import AirflowSensorTimeout
from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.sensors.data import ObjectSensor


def a_sensor(**options: Any) -> ObjectSensor:
    return ObjectSensor(task_id="wait", container="c", **options)


@pytest.mark.parametrize("options", [{"prefix": "p"}, {"min_count": 2}])
def test_a_name_excludes_what_is_for_many(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="wait: name means one object"):
        a_sensor(name="x", **options)


def test_waiting_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="min_count must be 1 or more, not 0"):
        a_sensor(min_count=0)


def test_the_folder_may_be_what_another_task_returns() -> None:
    with DAG("d"):
        upload = UploadDataOperator(task_id="up", source="/data", container="c")
        assert a_sensor(prefix=upload.output).upstream_task_ids == {"up"}


def test_what_was_found_is_returned_by_its_address() -> None:
    assert a_sensor(name="day/x.csv").execute_complete({}, {"there": True}) == "swift://swift_default@c/day/x.csv"
    assert a_sensor(prefix="day").execute_complete({}, {"there": True}) == "swift://swift_default@c/day"


def test_a_deferred_sensor_whose_time_is_up_ends_as_any_sensor_does() -> None:
    with pytest.raises(AirflowSensorTimeout, match=r"timed out: 8 s have passed without object 'x' in container 'c'$"):
        a_sensor(name="x", timeout=8).execute_complete({}, {"overdue": ""})
    with pytest.raises(AirflowSensorTimeout, match=r"2 objects under 'p' in container 'c' \(The store is away\)"):
        a_sensor(prefix="p", min_count=2).execute_complete({}, {"overdue": "The store is away"})


@pytest.mark.parametrize(
    ("event", "error"), [({"refused": "no"}, StoreRefused), ({"failed": "no"}, StoreError), ({}, ProtocolError)]
)
def test_a_refusal_fails_a_deferred_sensor_as_it_would_have_here(event: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        a_sensor(name="x").execute_complete({}, event)
