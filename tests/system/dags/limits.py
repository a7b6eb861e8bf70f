"""Sensors: their timeouts in each mode, and trainings that have already ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from airflow_dlaas.operators.training import CancelTrainingOperator, SubmitTrainingOperator
from airflow_dlaas.sensors.data import ObjectSensor
from airflow_dlaas.sensors.training import TrainingSensor

PARAMS = {"command": Param("true", type="string"), "location": Param("", type="string")}
LIMIT = timedelta(seconds=30)
"""Longer than a sensor takes to defer itself, on a machine with high load."""
UNKNOWN_TRAINING = "training-nope"
MODES: dict[str, dict[str, Any]] = {
    "here": {},
    "deferred": {"deferrable": True},
    # With a shorter interval, Airflow's scheduler may start the next poke before it has read the end of the last one:
    # apache/airflow#66374.
    "rescheduled": {"mode": "reschedule", "poke_interval": 10},
}


def submit(task_id: str, command: str) -> SubmitTrainingOperator:
    """Return a task that submits a training of *command*."""
    definition = {
        "model_definition": {
            "name": "{{ run_id }}",
            "framework": {"name": "tensorflow", "version": "test"},
            "execution": {"command": command, "resourceType": "small"},
        },
        "training_data": [
            {"connection": "swift_default", "source": {"container": "holds", "type": "softlayer_objectstore"}},
        ],
    }
    return SubmitTrainingOperator(task_id=task_id, definition=definition, definition_location="{{ params.location }}")


with DAG("sensor_limits", params=PARAMS, catchup=False):
    endless = submit("endless", "sleep 300")
    limited = [
        TrainingSensor(task_id="deferred", training_id=endless.output, deferrable=True, execution_timeout=LIMIT),
        TrainingSensor(task_id="here", training_id=endless.output, execution_timeout=LIMIT),
        ObjectSensor(
            task_id="object_deferred",
            container="holds",
            name="never-there",
            deferrable=True,
            poke_interval=2,
            timeout=300,
            execution_timeout=LIMIT,
        ),
    ]
    limited >> CancelTrainingOperator(task_id="cancel", training_id=endless.output, trigger_rule="all_done")

with DAG("sensors_skip", params=PARAMS, catchup=False):
    failing = submit("failing", "exit 3")
    for how, mode in MODES.items():
        for asked in ("never_fail", "soft_fail"):
            TrainingSensor(task_id=f"{asked}_{how}", training_id=failing.output, **{asked: True}, **mode)
            TrainingSensor(task_id=f"unknown_{asked}_{how}", training_id=UNKNOWN_TRAINING, **{asked: True}, **mode)
            ObjectSensor(
                task_id=f"object_{asked}_{how}",
                container="holds",
                name="never-there",
                timeout=4,
                **{asked: True},
                **({"poke_interval": 1} | mode),
            )

with DAG("sensors_of_ended", params=PARAMS, catchup=False):
    ended = submit("ended", "true")
    awaited = TrainingSensor(task_id="awaited", training_id=ended.output)
    again = [
        TrainingSensor(task_id=f"again_{number}", training_id=awaited.output, deferrable=True) for number in range(10)
    ]
    brief = submit("brief", "sleep 4")
    soon = [TrainingSensor(task_id=f"soon_{number}", training_id=brief.output, deferrable=True) for number in range(10)]
    again >> brief
