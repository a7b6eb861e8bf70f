"""Tests that a value which a mapped task receives from another task is data: no template, and no name of a file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, ObjectStoragePath

from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.operators.data import DeleteDataOperator, UploadDataOperator
from airflow_dlaas.operators.experiment import CreateExperimentOperator
from airflow_dlaas.operators.training import CancelTrainingOperator, SubmitTrainingOperator
from airflow_dlaas.sensors.data import ObjectSensor
from airflow_dlaas.task_runs.definition import parse_definition

TEMPLATE = "{{ secret }}"

DEFINITION = {
    "model_definition": {
        "name": "n",
        "framework": {"name": "tensorflow", "version": "2.21"},
        "execution": {"command": f"echo {TEMPLATE}", "resourceType": "small"},
    },
    "training_data": [{"connection": "c", "source": {"container": "d", "type": "softlayer_objectstore"}}],
}


class UpstreamOperator(BaseOperator):
    """The task that returns the values."""


def context_of(mapped: Any, **returned: object) -> Any:
    """Return the context of the first task of *mapped*; *returned* has the results of upstream tasks by task id."""
    ti = SimpleNamespace(
        task=mapped,
        map_index=0,
        is_mapped=True,
        _upstream_map_indexes=dict.fromkeys(returned),
        xcom_pull=lambda *, task_ids, **_: returned[task_ids],
    )
    run = SimpleNamespace(conf={})
    return {"ti": ti, "dag": mapped.dag, "dag_run": run, "params": {}, "secret": "hunter2"}


def rendered(kind: type[BaseOperator], shared: dict[str, Any], name: str, value: object) -> Any:
    """Render the task that is mapped over the list of *value* alone, as Airflow's task runner does."""
    with DAG("d") as dag:
        mapped = kind.partial(task_id="t", **shared).expand(**{name: UpstreamOperator(task_id="source").output})
    dag.resolve_template_files()  # type: ignore[no-untyped-call]
    context = context_of(mapped, source=[value])
    mapped.render_template_fields(context)
    return context["task"]


@pytest.mark.parametrize(
    ("kind", "shared", "name", "value"),
    [
        (CancelTrainingOperator, {}, "training_id", TEMPLATE),
        (ObjectSensor, {"container": "c"}, "name", TEMPLATE),
        (DeleteDataOperator, {"container": "c"}, "names", TEMPLATE),
        (DeleteDataOperator, {"container": "c"}, "names", [TEMPLATE]),
        (UploadDataOperator, {"container": "c", "source": "/x"}, "include", [TEMPLATE]),
        (UploadDataOperator, {"container": "c"}, "source", ObjectStoragePath(f"s3://b/{TEMPLATE}")),
        (CreateExperimentOperator, {"name": "n", "bundle": "/x"}, "framework", {"name": TEMPLATE, "version": "1"}),
        (SubmitTrainingOperator, {"definition_location": "l"}, "definition", DEFINITION),
        (SubmitTrainingOperator, {"definition_location": "l"}, "definition", json.dumps(DEFINITION)),
    ],
)
def test_mapped_value_is_not_rendered(
    kind: type[BaseOperator], shared: dict[str, Any], name: str, value: object
) -> None:
    value_after = str(getattr(rendered(kind, shared, name, value), name))
    assert TEMPLATE in value_after
    assert "hunter2" not in value_after


def test_mapped_value_in_the_dag_file_is_rendered() -> None:
    with DAG("d"):
        mapped = DeleteDataOperator.partial(task_id="t", container=TEMPLATE).expand(names=[["{{ secret }}.csv"]])
    context = context_of(mapped)
    mapped.render_template_fields(context)
    operator = context["task"]
    assert (operator.container, list(operator.names)) == ("hunter2", ["hunter2.csv"])


def test_mapped_value_is_not_read_as_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    operator = rendered(SubmitTrainingOperator, {"definition_location": "l"}, "definition", str(secret))
    with pytest.raises(InvalidDefinition, match=r"is not JSON.*only where its path"):
        parse_definition(operator.definition)
