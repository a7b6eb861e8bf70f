"""A real service with a store for the results of definitions that name none, and with a root of mounted folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import InvalidRequest
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import Customer


def write_results_store(path: Path, customer: Customer) -> None:
    target = {"container": customer.results, "type": "softlayer_objectstore"}
    path.write_text(json.dumps({"connection": customer.store, "target": target}))
    path.chmod(0o600)


def test_training_without_data_stores_its_results_in_the_store_of_the_service(
    own_service: ServiceProcess, own_customer: Customer, tmp_path: Path
) -> None:
    file, root = tmp_path / "results.json", tmp_path / "sets"
    root.mkdir()
    definition = own_customer.definition("echo it works > $RESULT_DIR/out.txt")
    del definition["training_results"]
    definition["training_data"] = []
    without_data = TrainingDefinition.parse(definition)
    with pytest.raises(InvalidRequest, match="training_results: is missing"):
        own_customer.client.send(calls.create_training(without_data))

    write_results_store(file, own_customer)
    own_service.stop()
    own_service.environment |= {"DLAAS_RESULTS_STORE": str(file), "DLAAS_MOUNTS": str(root)}
    own_service.start()
    with own_service.client() as client:
        assert client.extensions.default_results
        assert client.extensions.mounts == (str(root),)
        training_id = client.send(calls.create_training(without_data)).id
        document = json.dumps(client.send(calls.get_training_document(training_id)))
    assert own_customer.results in document
    assert own_customer.store["password"] not in document
    ended = own_customer.end(training_id)
    assert ended.state is TrainingState.COMPLETED, ended.status
    assert own_customer.result(training_id, "out.txt") == b"it works\n"

    definition["training_data"] = [{"source": {"type": "mount_volume", "path": str(tmp_path / "sets-of-others")}}]
    outside = TrainingDefinition.parse(definition)
    with pytest.raises(InvalidRequest, match=f"is not below a folder that this site allows .{root}"):
        own_customer.client.send(calls.create_training(outside))
