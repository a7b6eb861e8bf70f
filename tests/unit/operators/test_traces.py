"""Tests of the asset events of a task."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_dlaas.operators.training import TrainModelOperator

DEFINITION = {
    "model_definition": {
        "name": "n",
        "definition_location": "/v3/x",
        "framework": {"name": "tensorflow", "version": "2.21"},
        "execution": {"command": "true", "resourceType": "small"},
    },
    "training_data": [{"connection": "c", "source": {"container": "d", "type": "softlayer_objectstore"}}],
}


def test_outlet_events_get_the_result_beside_what_they_have() -> None:
    asset = Asset("swift://c@models")
    operator = TrainModelOperator(task_id="train", definition=DEFINITION, outlets=[asset])
    events = OutletEventAccessors()
    events[asset].extra["other"] = 1
    context: Any = {"outlet_events": events}
    result = {"training_id": "training-1", "metrics": {"validation/accuracy": 0.97}, "hyperparameters": {"lr": 0.1}}
    operator._update_outlet_events(context, result)
    assert events[asset].extra == {"other": 1, **result}
