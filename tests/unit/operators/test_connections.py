"""Tests that connection ids can be templates."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_dlaas.exceptions import InvalidArgument
from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.sensors.data import ObjectSensor
from tests.parameters import own_parameters, steps


@pytest.mark.parametrize("operator", steps().values())
def test_connection_ids_are_template_fields(operator: type[BaseOperator]) -> None:
    conn_ids = {name for name in own_parameters(operator) if name.endswith("_conn_id")}
    assert conn_ids <= set(operator.template_fields)


def test_connection_id_of_a_mapped_task_is_rendered() -> None:
    with DAG("d"):
        mapped = UploadDataOperator.partial(
            task_id="up", container="c", swift_conn_id="{{ params.site }}_store"
        ).expand(source=["/a"])
    operator = mapped.unmap({"source": "/a"})
    context: Any = {"params": {"site": "north"}}
    operator.render_template_fields(context)
    assert operator.swift_conn_id == "north_store"


@pytest.mark.parametrize("name", ["store_conn_id", "swift_conn_id"])
def test_connection_of_a_store_has_either_name(name: str) -> None:
    with DAG("d", default_args={name: "lake"}):
        upload = UploadDataOperator(task_id="up", container="c", source="/a")
        sensor = ObjectSensor(task_id="wait", container="c")
    assert {upload.conn_id_of_store, sensor.conn_id_of_store} == {"lake"}
    assert UploadDataOperator(task_id="up", container="c", source="/a").conn_id_of_store == "swift_default"


def test_two_connections_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="wait: store_conn_id and swift_conn_id have the same meaning"):
        ObjectSensor(task_id="wait", container="c", store_conn_id="a", swift_conn_id="b")
