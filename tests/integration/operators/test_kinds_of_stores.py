"""Operators, sensors and paths with connections of each type: S3 (moto and Swift's own S3 API) and Cloud Storage."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from airflow.sdk import Asset, ObjectStoragePath
from airflow.sdk.exceptions import TaskDeferred
from moto.server import ThreadedMotoServer

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import NotConfigured, StoreError
from airflow_dlaas.fs.store_file_system import cached_store
from airflow_dlaas.hooks.object_store import ObjectStoreHook
from airflow_dlaas.hooks.swift import SwiftHook
from airflow_dlaas.operators.data import DeleteDataOperator, DownloadDataOperator, UploadDataOperator
from airflow_dlaas.sensors.data import ObjectSensor
from airflow_dlaas.storage.gcs.store import GcsStore
from airflow_dlaas.storage.s3.store import S3Store
from airflow_dlaas.task_runs import first_event, wait_for_objects
from airflow_dlaas.triggers.data import ObjectTrigger
from tests.gcs_server import running_gcs
from tests.stored import read_tree, write_tree

TREE = {"a.csv": b"1", "deep/b.csv": b"22", "notes.md": b"333"}


@dataclass(frozen=True)
class Place:
    """A store behind the connection ``lake``."""

    scheme: str
    fields: dict[str, Any]


@pytest.fixture(scope="module")
def moto() -> Iterator[Place]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    extra = {"endpoint_url": f"http://{host}:{port}", "region_name": "us-east-1"}
    yield Place("s3", {"conn_type": "aws", "login": "AKIA", "password": "made-up-secret", "extra": extra})
    server.stop()


@pytest.fixture
def embedded(swift: SwiftStoreConnection) -> Place:
    """Swift's own S3 API, with the same user and key."""
    url = urlsplit(swift.auth_url)
    extra = {"endpoint_url": f"{url.scheme}://{url.netloc}", "region_name": "us-east-1"}
    key = swift.password.get_secret_value()
    return Place("s3", {"conn_type": "aws", "login": swift.user, "password": key, "extra": extra})


@pytest.fixture(scope="module")
def gcs() -> Iterator[Place]:
    with running_gcs() as connection:
        extra = {"is_anonymous": True, "endpoint_url": connection.url, "project": connection.project_id}
        yield Place("gs", {"conn_type": "google_cloud_platform", "extra": extra})


@pytest.fixture(params=["moto", "embedded", "gcs"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    found: Place = request.getfixturevalue(request.param)
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(found.fields))
    monkeypatch.setattr(wait_for_objects, "MIN_POLL_INTERVAL", 0.05)
    monkeypatch.setattr(first_event, "FIRST_EVENT_DELAY", 0.0)
    yield found
    store = cached_store("lake", found.fields["conn_type"], os.getpid())
    assert isinstance(store, S3Store | GcsStore)
    store.close()
    cached_store.cache_clear()


@pytest.fixture
def bucket() -> str:
    """The name of a bucket that does not exist."""
    return f"data-{uuid4().hex[:8]}"


def upload(source: Path, bucket: str, **given: Any) -> UploadDataOperator:
    return UploadDataOperator(task_id="up", source=str(source), container=bucket, store_conn_id="lake", **given)


def test_data_is_uploaded_downloaded_and_deleted(place: Place, bucket: str, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", TREE)
    outlet = Asset(f"{place.scheme}://{bucket}/day")
    event: Any = type("Event", (), {"extra": {}})()
    context: Any = {"outlet_events": {outlet: event}}
    sent = upload(source, bucket, prefix="day", exclude="*.md", outlets=[outlet]).execute(context)
    assert sent == f"{place.scheme}://lake@{bucket}/day"
    assert event.extra == {"files": 2, "bytes": 3, "unchanged": 0, "deleted": 0}
    upload(source, bucket, prefix="day", exclude="*.md", outlets=[outlet]).execute(context)
    assert event.extra == {"files": 0, "bytes": 0, "unchanged": 2, "deleted": 0}
    DownloadDataOperator(
        task_id="down", container=bucket, prefix="day", destination=str(tmp_path / "copy"), store_conn_id="lake"
    ).execute({})
    assert read_tree(tmp_path / "copy") == {"a.csv": b"1", "deep/b.csv": b"22"}
    DeleteDataOperator(task_id="rm", container=bucket, prefix="day", store_conn_id="lake").execute({})
    with ObjectStoreHook("lake") as hook:
        assert list(hook.list_objects(bucket)) == []
        hook.delete_container(bucket)


def test_sensor_waits_for_objects_here_and_in_the_triggerer(place: Place, bucket: str, tmp_path: Path) -> None:
    sensor = ObjectSensor(
        task_id="wait",
        container=bucket,
        prefix="day",
        min_count=2,
        poke_interval=0.1,
        store_conn_id="lake",
        deferrable=True,
    )
    with pytest.raises(TaskDeferred) as deferral:
        sensor.execute({})
    trigger = ObjectTrigger(**json.loads(json.dumps(deferral.value.trigger.serialize()[1])))

    async def event() -> Any:
        waiting = asyncio.ensure_future(anext(aiter(trigger.run())))
        await asyncio.to_thread(upload(write_tree(tmp_path, TREE), bucket, prefix="day").execute, {})
        return (await waiting).payload

    assert sensor.execute_complete({}, asyncio.run(event())) == f"{place.scheme}://lake@{bucket}/day"
    assert sensor.execute({}) == f"{place.scheme}://lake@{bucket}/day"


def test_trigger_row_of_an_earlier_version_is_read() -> None:
    trigger = ObjectTrigger(container="c", swift_conn_id="lake")
    assert trigger.serialize()[1]["store_conn_id"] == "lake"


def test_paths_of_airflow_read_and_write_the_store(place: Place, bucket: str) -> None:
    folder = ObjectStoragePath(f"{place.scheme}://lake@{bucket}/day")
    ObjectStoragePath(f"{place.scheme}://lake@{bucket}").mkdir()
    (folder / "a.txt").write_text("ü")
    (folder / "deep" / "b.txt").write_bytes(b"22")
    assert (folder / "a.txt").read_text() == "ü"
    assert sorted(one.name for one in folder.iterdir()) == ["a.txt", "deep"]
    assert str(folder) == f"{place.scheme}://lake@{bucket}/day"
    (folder / "a.txt").unlink()
    assert not (folder / "a.txt").exists()


def test_connection_is_tested_and_refused_where_another_type_belongs(place: Place) -> None:
    with ObjectStoreHook("lake") as hook:
        is_accepted, message = hook.test_connection()
    assert is_accepted, message
    assert "made-up" not in message
    with SwiftHook("lake") as swift, pytest.raises(NotConfigured, match="must be of type 'swift'"):
        swift.list_containers()


def test_wrong_key_is_refused_without_the_key(
    embedded: Place, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(embedded.fields | {"password": "not-the-key"}))
    with pytest.raises(StoreError) as refused:
        upload(write_tree(tmp_path, TREE), bucket).execute({})
    assert "not-the-key" not in str(refused.value)
