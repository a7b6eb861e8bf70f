"""`PruneResultsOperator` with a real service and its object store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.operators.training_management import PruneResultsOperator
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess
from tests.integration.operators.conftest import FakeTaskInstance


def test_results_that_no_rule_keeps_are_deleted(
    service: ServiceProcess, client: Client, task: Callable[..., Any], task_instance: FakeTaskInstance
) -> None:
    name = f"pruned-{uuid4().hex[:8]}"
    ids = []
    for _ in range(3):
        operator = task("echo weights > $RESULT_DIR/w")
        operator.definition["model_definition"]["name"] = name
        ids.append(operator.execute(FakeTaskInstance().context()))
    client.send(calls.annotate_training(ids[0], Annotations(tags=("promoted",))))
    rules: dict[str, Any] = {"name": name, "keep": 1, "keep_tags": "promoted", "store_conn_id": "swift_default"}

    reported = PruneResultsOperator(task_id="prune", report_only=True, **rules).execute(task_instance.context())
    assert reported["deleted"] == {ids[1]: None}
    done = PruneResultsOperator(task_id="prune", **rules).execute(task_instance.context())
    assert done["deleted"][ids[1]] > 0
    assert done["kept"] == {ids[2]: "among the newest 1 that have completed", ids[0]: "has the tag 'promoted'"}
    known = service.connections()["swift_default"]
    connection = SwiftStoreConnection(auth_url=known["host"], user_id=known["login"], password=known["password"])
    with SwiftStore.open(connection) as store:
        left = {one.name.partition("/")[0] for one in store.list_objects("endings")}
    assert left >= {ids[0], ids[2]}
    assert ids[1] not in left
