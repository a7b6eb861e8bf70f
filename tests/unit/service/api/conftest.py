"""A complete API without a socket: real store and blobs, and fakes of the other dependencies."""

from __future__ import annotations

import io
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from starlette.testclient import TestClient

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import DlaasError, InvalidRequest, StoreRefused
from airflow_dlaas.service.api.app import create_api
from airflow_dlaas.service.api.authentication import TokenAuthenticator
from airflow_dlaas.service.api.dependencies import ApiDeps, ApiLimits
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.object_store_allowlist import ObjectStoreAllowlist
from airflow_dlaas.service.store.blobs import BlobStore
from airflow_dlaas.service.store.sql import SqlStore

PASSWORDS = {"dlaas": "geheim-1", "other": "geheim-2"}
STORE_PASSWORD = "the-key-of-the-object-store"

DEFINITION: dict[str, Any] = {
    "model_definition": {
        "name": "my-first-mnist-model",
        "description": "tf-mnist with the handwritten digits",
        "author": "John Doe",
        "definition_location": "",
        "framework": {"name": "tensorflow", "version": "1.2-py3"},
        "execution": {
            "command": "python3 convolutional_network.py --trainImagesFile ${DATA_DIR}/train-images-idx3-ubyte.gz",
            "resourceType": "small",
        },
    },
    "training_data": [
        {
            "connection": {
                "auth_url": "https://lon02.objectstorage.service.networklayer.com/auth/v1.0",
                "userId": "IBMOS298-2:SL123",
                "password": STORE_PASSWORD,
            },
            "source": {"container": "tf_training_data_container", "type": "softlayer_objectstore"},
        }
    ],
}
"""The example of the documentation of 2017, with credentials."""


class Clock:
    """A clock that changes only by `advance`."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class FakeCatalogue:
    """A catalogue with one runtime."""

    def resolve(self, framework: Framework, command: str) -> RuntimeSpec:  # noqa: ARG002
        if (framework.name, framework.version) != ("tensorflow", "1.2-py3"):
            raise InvalidRequest(
                f"model_definition.framework: no {framework}; there is: tensorflow 1.2-py3",
                code="C101",
                target="model_definition.framework",
            )
        return RuntimeSpec(key="tf", kind="venv", provides="TensorFlow, as documented")

    def list_runtimes(self) -> tuple[Runtime, ...]:
        return (Runtime(framework="tensorflow", version="1.2-py3", provides="TensorFlow, as documented"),)

    problem = None
    image_patterns = None


@dataclass
class FakeUsers:
    """FakeUsers with plain passwords; tests may change them at any time."""

    passwords: dict[str, str]

    def check_password(self, login: str, password: str) -> bool:
        return self.passwords.get(login) == password

    def security_stamp(self, login: str) -> str | None:
        return self.passwords.get(login)


@dataclass
class FakeObjectStores:
    """Fake object stores that accept all containers except those in ``refusals``."""

    refusals: dict[str, DlaasError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    uncreatable: set[str] = field(default_factory=set)
    objects: set[tuple[str, str]] = field(default_factory=set)

    def __call__(self, connection: SwiftStoreConnection, container: str) -> None:  # noqa: ARG002
        self.asked.append(container)
        if container in self.refusals:
            raise self.refusals[container]

    def has_object(self, connection: SwiftStoreConnection, container: str, name: str) -> bool:  # noqa: ARG002
        return (container, name) in self.objects

    def create(self, connection: SwiftStoreConnection, container: str) -> None:  # noqa: ARG002
        if container in self.uncreatable:
            raise StoreRefused(container)
        self.created.append(container)


@dataclass
class WakeRecorder:
    """Records its calls."""

    calls: list[str] = field(default_factory=list)

    def __call__(self) -> None:
        self.calls.append("wake")


def make_zip(**files: str) -> bytes:
    """Return a zip of *files*; underscores in names stand for dots."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in (files or {"train_py": "print(1)\n"}).items():
            archive.writestr(
                zipfile.ZipInfo(name.replace("_", ".")), text
            )  # dated 1980, so the bytes are always the same
    return content.getvalue()


@dataclass
class Service:
    """The API, its dependencies, and common first steps."""

    client: TestClient
    deps: ApiDeps
    store: SqlStore
    clock: Clock
    stores: FakeObjectStores
    woken: list[str]

    def log_in(self, user: str = "dlaas") -> str:
        credentials = b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
        reply = self.client.get("/v3/identity/token", headers={"Authorization": f"Basic {credentials}"})
        token: str = reply.json()["token"]
        return token

    def experiment(self, content: bytes | None = None) -> dict[str, Any]:
        draft = {"name": "digits", "framework": {"name": "tensorflow", "version": "1.2-py3"}}
        made: dict[str, Any] = self.client.post("/v3/ml_assets/experiments", json=draft).json()
        if content is not None:
            sent = self.client.put(made["entity"]["experiment_version"]["content_url"], content=content)
            assert sent.status_code == 200, sent.text
        return made

    def definition(self, **changes: Any) -> dict[str, Any]:
        """The example with a code location; *changes* are dotted paths with ``__`` for the dots."""
        location = self.experiment(make_zip())["entity"]["experiment_version"]["url"]
        made = deepcopy(DEFINITION)
        for path, value in {"model_definition__definition_location": location, **changes}.items():
            *way, last = [int(step) if step.isdigit() else step for step in path.split("__")]
            target: Any = made
            for step in way:
                target = target[step]
            target[last] = value
        return made

    def submit(self, **changes: Any) -> str:
        reply = self.client.post("/v3/models", json=self.definition(**changes))
        assert reply.status_code == 202, reply.text
        run: str = reply.json()["metadata"]["guid"]
        return run

    def job(self, training_id: str) -> JobDirectory:
        job = JobDirectory(self.deps.jobs_dir / training_id)
        job.path.mkdir(exist_ok=True)
        return job


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the current schema, created once."""
    path = tmp_path_factory.mktemp("database") / "empty.db"
    SqlStore(f"sqlite:///{path}").close()
    return path


def create_deps(folder: Path, empty_database: Path) -> ApiDeps:
    """Create the dependencies of an API whose files are all in *folder*."""
    copyfile(empty_database, folder / "store.db")
    (folder / "jobs").mkdir()
    clock, stores = Clock(), FakeObjectStores()
    return ApiDeps(
        store=SqlStore(f"sqlite:///{folder / 'store.db'}"),
        blobs=BlobStore(folder / "blobs"),
        jobs_dir=folder / "jobs",
        catalogue=FakeCatalogue(),
        gpu_slots=2,
        gpus=("virtual:0", "virtual:1"),
        authenticator=TokenAuthenticator(FakeUsers(PASSWORDS), b"k" * 32, clock=clock),
        allowlist=ObjectStoreAllowlist.parse("*.objectstorage.service.networklayer.com, x"),
        check_container=stores,
        has_object=stores.has_object,
        create_container=stores.create,
        wake_dispatcher=WakeRecorder(),
        limits=ApiLimits(zip_bytes=200_000, json_bytes=20_000, containers=4),
        clock=clock,
    )


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[TestClient]:
    """One API for all tests, since its creation is slow; each test sets its own dependencies."""
    deps = create_deps(tmp_path_factory.mktemp("first"), empty_database)
    with TestClient(create_api(deps), base_url="http://dlaas.example:8480") as client:
        yield client
    deps.store.close()


@pytest.fixture
def service(
    tmp_path: Path, empty_database: Path, client: TestClient, request: pytest.FixtureRequest
) -> Iterator[Service]:
    """Log in as ``dlaas``; an indirect parameter replaces dependencies."""
    deps = replace(create_deps(tmp_path, empty_database), **getattr(request, "param", {}))
    client.app.state.deps = deps
    made = Service(client, deps, deps.store, deps.clock, deps.check_container, deps.wake_dispatcher.calls)
    client.headers["Authorization"] = f"Bearer {made.log_in()}"
    yield made
    deps.store.close()
