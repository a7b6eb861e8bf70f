"""Tests that connection ids can be templates."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_dlaas.operators.data import UploadDataOperator
from tests.parameters import steps


@pytest.mark.parametrize("operator", steps().values())
def test_connection_ids_are_template_fields(operator: type[BaseOperator]) -> None:
    conn_ids = {name for name in inspect.signature(operator).parameters if name.endswith("_conn_id")}
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
