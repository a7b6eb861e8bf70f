"""Several deferred trainings of one run that end at once: by a user, a failed task or the run's timeout."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_dlaas.operators.training import TrainModelOperator

SIZES = {1: 90, 4: 90, 16: 180, 64: 600}
"""Numbers of trainings of a run, and the seconds within which all are deferred on a machine with high load."""

DEFINITION = {
    "model_definition": {
        "name": "{{ run_id }}",
        "framework": {"name": "tensorflow", "version": "test"},
        "execution": {"command": "sleep 3600", "resourceType": "small"},
    },
    "training_data": [
        {"connection": "swift_default", "source": {"container": "holds", "type": "softlayer_objectstore"}},
    ],
}
PARAMS = {"location": Param("", type="string"), "flag": Param("", type="string")}


def trains(size: int) -> None:
    """Run *size* trainings at the same time."""
    TrainModelOperator.partial(
        task_id="train", definition_location="{{ params.location }}", deferrable=True, retries=0
    ).expand(definition=[DEFINITION] * size)


for number, seconds in SIZES.items():
    given: dict[str, Any] = {"params": PARAMS, "catchup": False, "max_active_tasks": 128}
    with DAG(f"sweep_{number}", **given):
        trains(number)
    with DAG(f"sweep_{number}_timeout", dagrun_timeout=timedelta(seconds=seconds), **given):
        trains(number)
    with DAG(f"sweep_{number}_fail_fast", fail_fast=True, **given):
        trains(number)

        @task
        def fails(flag: str) -> None:
            """Fail as soon as the file *flag* exists."""
            while not Path(flag).exists():
                time.sleep(0.5)
            raise ValueError("This task was made to fail")

        fails("{{ params.flag }}")
