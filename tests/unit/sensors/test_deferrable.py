"""Tests of the timeouts of sensors, and of skipping instead of failing, in every mode."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dlaas.exceptions import NotFound, StoreRefused
from airflow_dlaas.hooks.compat import AirflowSensorTimeout, AirflowSkipException, AirflowTaskTimeout, TaskDeferred
from airflow_dlaas.sensors.data import ObjectSensor
from airflow_dlaas.sensors.deferrable import DEFERRAL_TIMEOUT_MARGIN, DeferrableSensor
from airflow_dlaas.sensors.training import TrainingSensor
from airflow_dlaas.task_runs.trigger_events import error_event, training_event
from airflow_dlaas.triggers.training import TrainingTrigger
from tests.builders import a_training

OBJECT: dict[str, Any] = {"task_id": "wait", "container": "c", "name": "x"}
TRAINING: dict[str, Any] = {"task_id": "wait", "training_id": "training-a"}
LIMIT = timedelta(seconds=15)


def resume(sensor: DeferrableSensor, event: Any) -> Any:
    """Resume *sensor* with *event* as Airflow's task runner does."""
    return sensor.resume_execution("execute_complete", {"event": event}, {})


def resume_after_trigger_timeout(sensor: DeferrableSensor) -> Any:
    """Resume *sensor* after Airflow has ended its deferral."""
    return sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, {})


RUNNING = training_event(a_training(state="running"))
FAILED = training_event(a_training(state="error"))
UNKNOWN = error_event(NotFound("no such training"))

ENDINGS: dict[str, Callable[..., Any]] = {
    "an object is late": lambda **how: resume(ObjectSensor(**OBJECT, **how), {"overdue": ""}),
    "the store refuses": lambda **how: resume(ObjectSensor(**OBJECT, **how), {"refused": "no"}),
    "no triggerer, object": lambda **how: resume_after_trigger_timeout(ObjectSensor(**OBJECT, **how)),
    "a training is late": lambda **how: resume(TrainingSensor(**TRAINING, **how), RUNNING),
    "a training fails": lambda **how: resume(TrainingSensor(**TRAINING, **how), FAILED),
    "a training is unknown": lambda **how: resume(TrainingSensor(**TRAINING, **how), UNKNOWN),
    "no triggerer, training": lambda **how: resume_after_trigger_timeout(TrainingSensor(**TRAINING, **how)),
}


@pytest.mark.parametrize("how", [{"soft_fail": True}, {"never_fail": True}], ids=str)
@pytest.mark.parametrize("ending", ENDINGS)
def test_deferred_sensor_skips_instead_of_failing(ending: str, how: dict[str, bool]) -> None:
    with pytest.raises(AirflowSkipException, match=r"Skip.*(soft|never)_fail"):
        ENDINGS[ending](**how)
    with pytest.raises(AirflowSkipException):
        ENDINGS[ending](**how, execution_timeout=LIMIT)


class FailingSensor(DeferrableSensor):
    """A sensor on a worker whose poll raises an error."""

    def __init__(self, *, error: BaseException, **options: Any) -> None:
        super().__init__(**options)
        self.error = error

    def poke(self, context: Any) -> bool:  # noqa: ARG002 - the signature of Airflow
        raise self.error

    def execute(self, context: Any) -> Any:
        with self.skip_on_failure():
            return super().execute(context)


@pytest.mark.parametrize("how", [{"soft_fail": True}, {"never_fail": True}], ids=str)
@pytest.mark.parametrize("mode", ["poke", "reschedule"])
@pytest.mark.parametrize(
    "error", [StoreRefused("no"), AirflowTaskTimeout("late"), AirflowSensorTimeout("late")], ids=repr
)
def test_sensor_on_a_worker_skips_instead_of_failing(error: Any, mode: str, how: dict[str, bool]) -> None:
    context: Any = {"ti": SimpleNamespace(get_first_reschedule_date=lambda _: None)}
    with pytest.raises(AirflowSkipException):
        FailingSensor(error=error, task_id="wait", mode=mode, **how).execute(context)
    with pytest.raises(type(error)):
        FailingSensor(error=error, task_id="wait", mode=mode).execute(context)


def test_reschedule_and_deferral_are_not_skipped() -> None:
    sensor = ObjectSensor(**OBJECT, never_fail=True)
    with pytest.raises(TaskDeferred), sensor.skip_on_failure():
        sensor.defer(trigger=TrainingTrigger(training_id="t", dlaas_conn_id="c"), method_name="execute_complete")


@pytest.mark.parametrize(
    ("options", "limit", "error"),
    [
        ({"timeout": 10}, 10, AirflowSensorTimeout),
        ({"timeout": 10, "execution_timeout": LIMIT}, 10, AirflowSensorTimeout),
        ({"timeout": 60, "execution_timeout": LIMIT}, 15, AirflowTaskTimeout),
        ({"execution_timeout": LIMIT}, 15, AirflowTaskTimeout),
    ],
)
def test_shorter_timeout_ends_a_deferred_sensor(
    options: dict[str, Any], limit: float, error: type[BaseException]
) -> None:
    """Airflow retries after `execution_timeout`, but not after `timeout`, as without deferral."""
    sensor = ObjectSensor(**OBJECT, **options)
    assert sensor.deadline_from(1000.0) == 1000.0 + limit
    with pytest.raises(error, match=f"timed out: {limit} s have passed without object 'x'"):
        resume(sensor, {"overdue": ""})
    with pytest.raises(error, match=f"timed out: {limit} s have passed"):
        resume_after_trigger_timeout(sensor)
    with pytest.raises(error, match="is still running"):
        resume(TrainingSensor(**TRAINING, **options), RUNNING)


def test_deferral_timeout_is_after_the_deadline_of_the_trigger() -> None:
    sensor = ObjectSensor(**OBJECT)
    with pytest.raises(TaskDeferred) as deferral:
        sensor.defer_until(
            TrainingTrigger(training_id="t", dlaas_conn_id="c"), time.time() + 15, method_name="execute_complete"
        )
    timeout: Any = deferral.value.timeout
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    assert 15 < seconds <= 15 + DEFERRAL_TIMEOUT_MARGIN
