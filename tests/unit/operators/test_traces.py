"""Tests of the asset events of a task."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_dlaas.operators.training import TrainModelOperator
from tests.builders import a_training

DEFINITION = {
    "model_definition": {
        "name": "n",
        "definition_location": "/v3/x",
        "framework": {"name": "tensorflow", "version": "2.21"},
        "execution": {"command": "true", "resourceType": "small"},
    },
    "training_data": [{"connection": "c", "source": {"container": "d", "type": "softlayer_objectstore"}}],
}


def test_outlet_events_get_training_id_and_metrics() -> None:
    asset = Asset("swift://c@models")
    operator = TrainModelOperator(task_id="train", definition=DEFINITION, outlets=[asset])
    events = OutletEventAccessors()
    events[asset].extra["other"] = 1
    context: Any = {"outlet_events": events}
    operator._update_outlet_events(context, a_training(), {"validation/accuracy": 0.97})
    assert events[asset].extra == {"other": 1, "training_id": a_training().id, "metrics": {"validation/accuracy": 0.97}}
