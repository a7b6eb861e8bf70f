"""A sweep, and trainings with curves, for the tests of the pages in Airflow's UI."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from airflow_dlaas.operators.training import TrainModelOperator

TRAIN = "python3 curve.py --learningRate {rate}"
"""The command; the stage's experiment has ``code/curve.py``. With ``--hold`` it runs until a test ends it."""

RATES = (0.003, 0.01, 0.03, 0.1)
"""The sweep's learning rates, in the order of its mapped instances."""

GROWS = TRAIN.format(rate=0.01) + " --hold"
"""A command whose curve grows until a test ends it."""


def definition(rate: float) -> dict[str, Any]:
    """Return a training with learning rate *rate*."""
    return {
        "model_definition": {
            "name": "digits",
            "framework": {"name": "tensorflow", "version": "test"},
            "execution": {"command": TRAIN.format(rate=rate), "resourceType": "small"},
        },
        "training_data": [
            {"connection": "swift_default", "source": {"container": "holds", "type": "softlayer_objectstore"}},
        ],
    }


PARAMS = {"command": Param("", type="string"), "location": Param("", type="string")}

RETRIED: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=1)}
"""Airflow fails a task that is resumed before its scheduler has read that it was deferred."""

with DAG("sweep", params=PARAMS, catchup=False):
    TrainModelOperator.partial(
        task_id="train",
        definition_location="{{ params.location }}",
        deferrable=True,
        **RETRIED,
    ).expand(definition=[definition(rate) for rate in RATES])
