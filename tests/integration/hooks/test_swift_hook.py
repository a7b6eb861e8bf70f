"""Tests of `SwiftHook` with a real OpenStack Swift."""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import (
    ContainerNotFound,
    InvalidArgument,
    InvalidName,
    NotConfigured,
    NothingSelected,
    ObjectNotFound,
    StoreError,
    StoreRefused,
)
from airflow_dlaas.hooks.swift import SwiftHook
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.stored import read_tree, write_tree

TREE = {"a.csv": b"1", "deep/b.csv": b"22", "notes.md": b"333"}


@pytest.fixture
def hook(swift: SwiftStoreConnection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SwiftHook]:
    fields = {
        "conn_type": "swift",
        "host": swift.auth_url,
        "login": swift.user_id,
        "password": swift.password.get_secret_value(),
    }
    monkeypatch.setenv("AIRFLOW_CONN_SWIFT_DEFAULT", json.dumps(fields))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with SwiftHook() as hook:
        yield hook


@pytest.fixture
def container(hook: SwiftHook) -> Iterator[str]:
    """A new, empty container."""
    name = f"hook-{uuid.uuid4().hex}"
    hook.create_container(name)
    yield name
    if hook.container_exists(name):
        hook.delete_objects(name, everything=True)
        hook.delete_container(name)


def names(hook: SwiftHook, container: str, prefix: str = "") -> list[str]:
    return [stored.name for stored in hook.list_objects(container, prefix)]


def test_container_is_created_listed_and_deleted(hook: SwiftHook) -> None:
    name = f"hook-{uuid.uuid4().hex}"
    assert not hook.container_exists(name)
    hook.create_container(name)
    hook.create_container(name)
    assert hook.container_exists(name)
    assert name in hook.list_containers()
    hook.delete_container(name)
    assert not hook.container_exists(name)
    with pytest.raises(ContainerNotFound):
        hook.delete_container(name)


def test_delete_container_refuses_a_container_with_objects(hook: SwiftHook, container: str) -> None:
    hook.put_object(container, "a", b"1")
    with pytest.raises(StoreError):
        hook.delete_container(container)
    assert names(hook, container) == ["a"]


def test_object_is_put_described_fetched_and_deleted(hook: SwiftHook, container: str, tmp_path: Path) -> None:
    md5 = hashlib.md5(b"content", usedforsecurity=False).hexdigest()
    (tmp_path / "file").write_bytes(b"content")
    assert hook.put_object(container, "day/a", b"content") == md5
    assert hook.put_object(container, "days", tmp_path / "file") == md5
    stored = hook.stat_object(container, "day/a")
    assert (stored.name, stored.size, stored.md5) == ("day/a", 7, md5)
    assert names(hook, container, "day") == ["day/a", "days"]
    assert hook.get_object(container, "day/a", tmp_path / "copy") == 7
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert hook.delete_objects(container, names=["day/a", "missing"]) == ["day/a"]
    with pytest.raises(ObjectNotFound):
        hook.stat_object(container, "day/a")
    with pytest.raises(ObjectNotFound):
        hook.get_object(container, "day/a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"


def test_upload_and_download_transfer_changed_files_only(hook: SwiftHook, container: str, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", TREE)
    report = hook.upload(source, container, prefix="day", exclude="*.md")
    assert (report.files, report.bytes, report.unchanged) == (2, 3, 0)
    assert names(hook, container) == ["day/a.csv", "day/deep/b.csv"]
    assert hook.upload(source, container, prefix="day", exclude="*.md").unchanged == 2
    report = hook.download(container, tmp_path / "copy", prefix="day")
    assert (report.files, report.bytes, report.unchanged) == (2, 3, 0)
    assert read_tree(tmp_path / "copy") == {"a.csv": b"1", "deep/b.csv": b"22"}
    assert hook.download(container, tmp_path / "copy", prefix="day").unchanged == 2


def test_upload_creates_the_container_and_deletes_missing_files(hook: SwiftHook, tmp_path: Path) -> None:
    container = f"hook-{uuid.uuid4().hex}"
    source = write_tree(tmp_path / "source", TREE)
    hook.upload(source, container)
    (source / "a.csv").unlink()
    assert hook.upload(source, container, delete=True).deleted == 1
    assert names(hook, container) == ["deep/b.csv", "notes.md"]
    hook.delete_objects(container, everything=True)
    hook.delete_container(container)


def test_upload_accepts_addresses_of_other_file_systems(hook: SwiftHook, container: str) -> None:
    attach(protocol="memory", fs=MemoryFileSystem())
    folder = ObjectStoragePath(f"memory://{container}/folder")
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"1")
    assert hook.upload(folder, container).files == 1
    assert names(hook, container) == ["a.csv"]


def test_upload_logs_its_progress(
    hook: SwiftHook,
    container: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    hook.upload(write_tree(tmp_path / "source", TREE), container)
    assert "Upload: 6 B of 6 B, 3 of 3 files" in capsys.readouterr().out + caplog.text


def test_empty_transfers_are_errors_unless_they_are_allowed(hook: SwiftHook, container: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingSelected):
        hook.upload(tmp_path / "empty", container)
    assert hook.upload(tmp_path / "empty", container, allow_empty=True).files == 0
    with pytest.raises(ObjectNotFound):
        hook.download(container, tmp_path / "copy")
    assert hook.download(container, tmp_path / "copy", allow_empty=True).files == 0


def test_delete_objects_of_a_whole_container_requires_everything(hook: SwiftHook, container: str) -> None:
    for name in ("day/a", "day/b", "other"):
        hook.put_object(container, name, b"1")
    with pytest.raises(InvalidArgument, match=f"would delete all of container '{container}'"):
        hook.delete_objects(container)
    assert hook.delete_objects(container, prefix="day", exclude_filter=lambda _: ["day/b"]) == ["day/a"]
    assert hook.delete_objects(container, names=[]) == []
    assert names(hook, container) == ["day/b", "other"]
    assert hook.delete_objects(container, everything=True) == ["day/b", "other"]
    with pytest.raises(ContainerNotFound):
        hook.delete_objects("hook-missing", everything=True)


def test_invalid_names_are_refused(hook: SwiftHook, container: str) -> None:
    with pytest.raises(InvalidName):
        hook.create_container("a/b")
    with pytest.raises(InvalidName):
        hook.put_object(container, "../a", b"1")


def test_connection_test_reports_accepted_and_refused_credentials(
    hook: SwiftHook, monkeypatch: pytest.MonkeyPatch, swift: SwiftStoreConnection
) -> None:
    assert isinstance(hook.get_conn(), SwiftStore)
    is_accepted, message = hook.test_connection()
    assert is_accepted
    assert message.startswith(f"The object store accepts the user {swift.user_id}: ")
    fields = {"conn_type": "swift", "host": swift.auth_url, "login": swift.user_id, "password": "not-the-key"}
    monkeypatch.setenv("AIRFLOW_CONN_SWIFT_DEFAULT", json.dumps(fields))
    with SwiftHook() as other:
        is_accepted, message = other.test_connection()
        with pytest.raises(StoreRefused):
            other.container_exists("c")
    assert not is_accepted
    assert "not-the-key" not in message


def test_connection_of_another_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SWIFT_DEFAULT", json.dumps({"conn_type": "http", "host": "h"}))
    with SwiftHook() as hook, pytest.raises(NotConfigured, match="must be of type 'swift'"):
        hook.list_containers()
