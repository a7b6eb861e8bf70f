"""Which connection a step uses may come from a template, as everything else of it may."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_dlaas.operators.data import UploadDataOperator
from tests.parameters import steps


@pytest.mark.parametrize("step", steps().values())
def test_connections_are_templated(step: type[BaseOperator]) -> None:
    named = {name for name in inspect.signature(step).parameters if name.endswith("_conn_id")}
    assert named <= set(step.template_fields)


def test_the_connection_of_a_mapped_step_is_rendered() -> None:
    with DAG("d"):
        mapped = UploadDataOperator.partial(
            task_id="up", container="c", swift_conn_id="{{ params.site }}_store"
        ).expand(source=["/a"])
    step = mapped.unmap({"source": "/a"})
    context: Any = {"params": {"site": "north"}}
    step.render_template_fields(context)
    assert step.swift_conn_id == "north_store"
