"""The JSON example of the documentation, with credentials, sent by its curl command."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from airflow_dlaas.client import calls
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.packaging import archive
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess

COMMAND = (
    "python3 convolutional_network.py --trainImagesFile ${DATA_DIR}/train-images-idx3-ubyte.gz "
    "--trainLabelsFile ${DATA_DIR}/train-labels-idx1-ubyte.gz "
    "--testImagesFile ${DATA_DIR}/t10k-images-idx3-ubyte.gz "
    "--testLabelsFile ${DATA_DIR}/t10k-labels-idx1-ubyte.gz --learningRate 0.001 --trainingIters 20000"
)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: apt-get install curl")
def test_example_of_the_documentation_works_with_its_curl_command(own_service: ServiceProcess, tmp_path: Path) -> None:
    own_service.catalogue.write_text(
        own_service.catalogue.read_text().replace('version = "test"', 'version = "1.2-py3"')
    )
    own_service.start()
    known = own_service.connections()["swift_default"]
    connection = SwiftStoreConnection(
        auth_url=known["host"], userId=known["login"], password=SecretStr(known["password"])
    )
    with SwiftStore.open(connection) as store:
        store.create_container("tf_training_data")
        store.put("tf_training_data", "train-images-idx3-ubyte.gz", b"images")
    code = tmp_path / "code"
    code.mkdir()
    (code / "convolutional_network.py").write_text("import sys; print('flags:', sys.argv[1:])")
    with own_service.client() as client:
        draft = ExperimentDraft.model_validate(
            {"name": "mnist", "framework": {"name": "tensorflow", "version": "1.2-py3"}}
        )
        version = client.send(calls.create_experiment(draft)).entity.experiment_version
        client.send(calls.put_content(client.path_from_url(version.content_url), archive.pack(code)))
        definition = {
            "model_definition": {
                "framework": {"name": "tensorflow", "version": "1.2-py3"},
                "name": "tf-mnist",
                "author": "Ann Other",
                "description": "Simple MNIST model implemented in TF",
                "definition_location": version.url,
                "execution": {"command": COMMAND, "resourceType": "small"},
            },
            "training_data": [
                {
                    "connection": {"auth_url": known["host"], "userId": known["login"], "password": known["password"]},
                    "source": {"container": "tf_training_data", "type": "softlayer_objectstore"},
                }
            ],
        }
        (tmp_path / "training_definition.json").write_text(json.dumps(definition, indent=2))
        curl = [
            *("curl", "-X", "POST", "-sS", "-H", "Content-Type: application/json"),
            *("-H", f"Authorization: BEARER {client.token()}", "-H", "X-WML-User-Client: WML-User"),
            *("--data-binary", "@training_definition.json", f"{client.url}/v3/models", "-w", "\n%{http_code}"),
        ]
        sent = subprocess.run(curl, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
        reply, _, status = sent.stdout.rpartition("\n")
        assert status == "202", reply
        assert known["password"] not in reply
        training_id = json.loads(reply)["metadata"]["guid"]
        deadline = time.monotonic() + 180
        while not (training := client.send(calls.get_training(training_id))).state.is_final:
            assert time.monotonic() < deadline, training.status
            time.sleep(0.1)
    assert training.state is TrainingState.COMPLETED, training.status
    with SwiftStore.open(connection) as store:
        store.get("tf_training_data", f"{training_id}/learner-1/training-log.txt", tmp_path / "log")
    assert "/train-images-idx3-ubyte.gz', '--trainLabelsFile'" in (tmp_path / "log").read_text()
