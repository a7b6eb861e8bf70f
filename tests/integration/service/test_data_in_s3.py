"""A whole training with data in S3, at a version, with a mounted folder, and with results in S3; and the next one."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.store_connections import S3StoreConnection
from airflow_dlaas.contract.training import Training
from airflow_dlaas.storage.open_object_store import OpenedStore, OpenOptions, open_object_store
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import Customer

COMMAND = "cd $DATA_DIR; find -L * -type f -exec md5sum {} +; mkdir $RESULT_DIR/model; echo w > $RESULT_DIR/model/w"


class Lake:
    """The embedded store by its S3 protocol, with a bucket of data and one for results."""

    def __init__(self, service: ServiceProcess) -> None:
        known = service.connections()["dlaas_s3"]
        self.connection = {
            "endpoint_url": json.loads(known["extra"])["endpoint_url"],
            "access_key_id": known["login"],
            "secret_access_key": known["password"],
        }
        self.data, self.results = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("lake", "models"))
        self.contents = {f"train/{number}.bin": bytes([number]) * 1000 for number in range(3)} | {"test/0.txt": b"zero"}
        with self.store() as store:
            store.create_container(self.data)
            for name, content in self.contents.items():
                store.put(self.data, name, content)

    def store(self) -> OpenedStore:
        return open_object_store(S3StoreConnection.model_validate(self.connection), OpenOptions())

    def source(self, **keys: Any) -> dict[str, Any]:
        return {"connection": self.connection, "source": {"type": "s3", "container": self.data, **keys}}

    def target(self) -> dict[str, Any]:
        return {"connection": self.connection, "target": {"type": "s3", "bucket": self.results}}


def md5_line(content: bytes, path: str) -> str:
    return f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {path}"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder that the site allows as a mounted one."""
    folder = tmp_path / "sets" / "photos"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(b"a photo")
    return folder


@pytest.fixture
def customer(own_service: ServiceProcess, photos: Path) -> Iterator[Customer]:
    """A user of a service with a root of mounted folders."""
    own_service.environment["DLAAS_MOUNTS"] = str(photos.parent)
    own_service.start()
    with own_service.client() as client:
        yield Customer(own_service, client)


def train(customer: Customer, sources: list[dict[str, Any]], lake: Lake) -> Training:
    definition = customer.definition(COMMAND) | {"training_data": sources, "training_results": lake.target()}
    return customer.end(customer.client.send(calls.create_training(TrainingDefinition.parse(definition))).id)


def test_second_training_takes_the_same_data_from_the_cache(customer: Customer, photos: Path, tmp_path: Path) -> None:
    service, lake = customer.service, Lake(customer.service)
    done = service.console("data", "version", lake.data, "--prefix", "train", "--connection", "dlaas_s3")
    assert done.returncode == 0, done.stderr
    version = done.stdout.strip()
    sources = [
        lake.source(prefix="train", version=version),
        lake.source(prefix="test"),
        {"source": {"type": "mount_volume", "path": str(photos)}},
    ]
    with lake.store() as store:
        store.put(lake.data, "train/new.bin", b"is no part of the version")
    read = [md5_line(content, f"{lake.data}-{name}") for name, content in lake.contents.items()]
    for cached in (0, 3):
        training = train(customer, sources, lake)
        assert training.state is TrainingState.COMPLETED, training.status
        data = training.status.data
        assert data is not None
        assert [one.cached_files for one in data.sources] == [cached, min(cached, 1), None]
        assert (data.sources[0].version, data.sources[0].files) == (version, 3)
        done = service.console("fetch", training.id, str(tmp_path / training.id))
        assert (done.returncode, (tmp_path / training.id / "w").read_text()) == (0, "w\n"), done.stderr
        log = service.console("logs", training.id).stdout
        assert all(line in log.splitlines() for line in [*read, md5_line(b"a photo", "photos/1.jpg")]), log
        with lake.store() as store:
            stored = {one.name.removeprefix(f"{training.id}/") for one in store.list_objects(lake.results)}
        assert {"training-data.json", "learner-1/training-log.txt"} <= stored
        document = json.dumps(customer.client.send(calls.get_training_document(training.id)))
        assert lake.connection["secret_access_key"] not in document + log
    assert lake.data in service.console("cache", "list").stdout

    with lake.store() as store:
        store.put(lake.data, "train/1.bin", b"changed")
    training = train(customer, sources, lake)
    assert training.state is TrainingState.ERROR
    assert training.status.error is not None
    (error,) = training.status.error.errors
    assert error.code == "C103"
    assert f"does not hold version {version} any more: '1.bin' has changed" in error.message
