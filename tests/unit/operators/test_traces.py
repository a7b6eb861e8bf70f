"""What a task leaves for others to see."""

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


def test_each_outlet_asset_is_told_which_training_it_was_and_how_good_it_became() -> None:
    asset = Asset("swift://c@models")
    step = TrainModelOperator(task_id="train", definition=DEFINITION, outlets=[asset])
    events = OutletEventAccessors()
    events[asset].extra["kept"] = 1
    context: Any = {"outlet_events": events}
    step._update_outlet_events(context, a_training(), {"validation/accuracy": 0.97})
    assert events[asset].extra == {"kept": 1, "training_id": a_training().id, "metrics": {"validation/accuracy": 0.97}}
