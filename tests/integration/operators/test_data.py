"""Tests of the data operators on a real Swift, each executed as a task executes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset, ObjectStoragePath
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_dlaas.exceptions import ObjectNotFound, StoreError
from airflow_dlaas.operators.data import DeleteDataOperator, DownloadDataOperator, UploadDataOperator
from airflow_dlaas.storage.swift.store import SwiftStore

RESULT = "training-AbC_12-xY/model/weights"
MARKER = "training-AbC_12-xY/.dlaas-training"
CHECKPOINT = "training-AbC_12-xY/.dlaas-checkpoints/1/content/0-1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name in ("a.csv", "b.csv", "deep/c.csv", "notes.md"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name * 3)
    return folder


def put(store: SwiftStore, container: str, *names: str) -> None:
    store.create_container(container)
    for name in names:
        store.put(container, name, name.encode())


def names(store: SwiftStore, container: str) -> list[str]:
    return [one.name for one in store.list_objects(container)]


def upload(source: Path | str, container: str, **options: Any) -> dict[str, Any]:
    """Upload; return the extra of the outlet events of the task."""
    matching = [Asset(f"swift://swift_default@{container}/day"), Asset(f"swift://{container}")]
    others = [Asset(f"swift://another@{container}"), Asset("swift://elsewhere"), Asset(f"s3://{container}")]
    events = OutletEventAccessors()
    operator = UploadDataOperator(
        task_id="upload", source=str(source), container=container, outlets=matching + others, **options
    )
    assert operator.execute({"outlet_events": events}) == f"swift://swift_default@{container}/{operator.prefix}"
    assert not any(events[other].extra for other in others)
    assert events[matching[0]].extra == events[matching[1]].extra
    return events[matching[0]].extra


def test_upload_sends_selected_files_once(store: SwiftStore, container: str, folder: Path) -> None:
    extra = upload(folder, container, prefix="day", exclude=["*.md"])
    assert extra == {"files": 3, "bytes": 60, "unchanged": 0, "deleted": 0}
    assert names(store, container) == ["day/a.csv", "day/b.csv", "day/deep/c.csv"]
    extra = upload(folder, container, prefix="day", exclude=["*.md"])
    assert extra == {"files": 0, "bytes": 0, "unchanged": 3, "deleted": 0}


def test_upload_of_a_glob_names_files_below_the_fixed_folder(store: SwiftStore, container: str, folder: Path) -> None:
    upload(f"{folder}/**/*.csv", container, include=["c.*"])
    assert names(store, container) == ["deep/c.csv"]


def test_upload_deletes_missing_files_under_the_prefix_only(store: SwiftStore, container: str, folder: Path) -> None:
    put(store, container, "day/old.csv", "day/old.md", "other/old.csv", RESULT, MARKER)
    extra = upload(folder, container, prefix="day", exclude=["*.md"], delete=True)
    assert extra["deleted"] == 1
    left = ["day/a.csv", "day/b.csv", "day/deep/c.csv", "day/old.md", "other/old.csv", MARKER, RESULT]
    assert names(store, container) == left


def test_upload_sends_files_of_another_file_system(store: SwiftStore, container: str) -> None:
    attach(protocol="memory", fs=MemoryFileSystem())
    remote = ObjectStoragePath(f"memory://{container}/folder")
    (remote / "deep").mkdir(parents=True)
    for name in ("a.csv", "deep/b.csv", "notes.md"):
        (remote / name).write_bytes(name.encode())
    assert upload(f"memory://{container}/folder", container, exclude=["*.md"])["files"] == 2
    assert names(store, container) == ["a.csv", "deep/b.csv"]
    extra = upload(f"memory://{container}/folder/*.csv", container, delete=True)
    assert extra == {"files": 0, "bytes": 0, "unchanged": 1, "deleted": 1}


def test_upload_names_a_missing_source(store: SwiftStore, container: str) -> None:
    with pytest.raises(StoreError, match="/nothing/here: there is no such file or folder"):
        upload("/nothing/here", container)


def download(container: str, destination: Path | str, **options: Any) -> str:
    operator = DownloadDataOperator(task_id="down", container=container, destination=str(destination), **options)
    return operator.execute({})


def test_download_fills_a_local_folder_in_folder(store: SwiftStore, container: str, tmp_path: Path) -> None:
    put(store, container, "day/a", "day/deep/b", "other")
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "mine").touch()
    assert download(container, folder, prefix="day") == str(folder)
    assert {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()} == {
        "a": "day/a",
        "deep/b": "day/deep/b",
        "mine": "",
    }
    before = (folder / "a").stat()
    (folder / "deep" / "b").unlink()
    download(container, folder, prefix="day")
    assert (folder / "deep" / "b").read_text() == "day/deep/b"
    assert (folder / "a").stat().st_ino == before.st_ino


def test_download_copies_to_another_file_system(store: SwiftStore, container: str) -> None:
    put(store, container, "day/a", "day/deep/b")
    attach(protocol="memory", fs=MemoryFileSystem())
    download(container, f"memory://{container}/down", prefix="day")
    assert ObjectStoragePath(f"memory://{container}/down/deep/b").read_bytes() == b"day/deep/b"


def test_downloaded_results_are_data_when_they_are_uploaded_again(
    store: SwiftStore, container: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(store, container, RESULT, MARKER, CHECKPOINT)
    download(container, tmp_path / "there", prefix="training-AbC_12-xY")
    upload(tmp_path / "there", container, prefix="old-model")
    assert names(store, container) == ["old-model/model/weights", CHECKPOINT, MARKER, RESULT]
    assert "results of trainings" not in capsys.readouterr().out


def test_results_in_a_larger_folder_stay_results_and_are_logged(
    store: SwiftStore, container: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(store, container, "data.csv", RESULT, MARKER)
    download(container, tmp_path / "there")
    upload(tmp_path / "there", container, prefix="copy")
    assert f"copy/{MARKER}" in names(store, container)
    [line] = [one for one in capsys.readouterr().out.splitlines() if "results of trainings" in one]
    assert "warning" in line.lower()
    assert "leaves them out: copy/training-AbC_12-xY. To have them as data" in line


def test_download_of_nothing_is_an_error(store: SwiftStore, container: str, tmp_path: Path) -> None:
    put(store, container, "day/a")
    with pytest.raises(ObjectNotFound, match=f"nothing under 'dya' in container '{container}'"):
        download(container, tmp_path, prefix="dya")


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"prefix": "day"}, ["other", MARKER, RESULT]),
        ({"names": ["day/a", "gone"]}, ["day/b", "other", MARKER, RESULT]),
        ({"names": "day/a"}, ["day/b", "other", MARKER, RESULT]),
        ({"names": ["day/a", "other"], "prefix": "day"}, ["day/b", "other", MARKER, RESULT]),
        ({"names": [RESULT]}, ["day/a", "day/b", "other", MARKER]),
        ({"names": []}, ["day/a", "day/b", "other", MARKER, RESULT]),
        ({"everything": True}, [MARKER, RESULT]),
        ({"prefix": "training-AbC_12-xY/model"}, ["day/a", "day/b", "other", MARKER]),
        ({"prefix": "training-AbC_12-xY"}, ["day/a", "day/b", "other"]),
        ({"prefix": "gone"}, ["day/a", "day/b", "other", MARKER, RESULT]),
    ],
)
def test_delete_removes_the_given_objects_only(
    store: SwiftStore, container: str, options: dict[str, Any], left: list[str]
) -> None:
    put(store, container, "day/a", "day/b", "other", MARKER, RESULT)
    DeleteDataOperator(task_id="delete", container=container, **options).execute({})
    assert names(store, container) == left


def test_delete_everything_removes_objects_with_any_name(store: SwiftStore, container: str) -> None:
    put(store, container, "()", "['day/a']", "day/b", RESULT, MARKER)
    DeleteDataOperator(task_id="delete", container=container, everything=True).execute({})
    assert names(store, container) == [MARKER, RESULT]


@pytest.mark.parametrize(
    ("prefix", "stays"), [("day", True), ("day/training-AbC_12-xY", False), (f"day/{RESULT}", False)]
)
def test_delete_keeps_results_unless_the_prefix_is_their_folder(
    store: SwiftStore, container: str, prefix: str, stays: bool
) -> None:
    put(store, container, "day/a", f"day/{MARKER}", f"day/{RESULT}/w")
    DeleteDataOperator(task_id="delete", container=container, prefix=prefix).execute({})
    assert (f"day/{RESULT}/w" in names(store, container)) is stays


@pytest.mark.usefixtures("store")
def test_delete_accepts_a_missing_container(container: str) -> None:
    DeleteDataOperator(task_id="delete", container=container, everything=True).execute({})
