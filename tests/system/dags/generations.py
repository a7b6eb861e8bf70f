"""Tasks without retries: one whose training completes after its worker was killed, and many that are refused."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param

from airflow_dlaas.operators.training import TrainModelOperator

REFUSALS = 10
"""Number of tasks in the DAG ``refused``."""


def definition(container: str) -> dict[str, Any]:
    """Return a definition of a training that runs the DAG run's command on the data of *container*."""
    return {
        "model_definition": {
            "name": "{{ run_id }}",
            "framework": {"name": "tensorflow", "version": "test"},
            "execution": {"command": "{{ params.command }}", "resourceType": "small"},
        },
        "training_data": [
            {"connection": "swift_default", "source": {"container": container, "type": "softlayer_objectstore"}},
        ],
    }


PARAMS = {"command": Param("", type="string"), "location": Param("", type="string")}

with DAG("hold_once", params=PARAMS, catchup=False):
    TrainModelOperator(
        task_id="train",
        definition=definition("holds"),
        definition_location="{{ params.location }}",
        deferrable=False,
        retries=0,
    )

with DAG("refused", params=PARAMS, catchup=False):
    TrainModelOperator.partial(
        task_id="train", definition_location="{{ params.location }}", deferrable=True, retries=0
    ).expand(definition=[definition("no-such-container")] * REFUSALS)
