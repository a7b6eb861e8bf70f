"""Data goes into the object store, out of it and away: each step as a task runs it, on a real Swift."""

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
MARK = "training-AbC_12-xY/.dlaas-training"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    for name in ("a.csv", "b.csv", "deep/c.csv", "notes.md"):
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name * 3)
    return place


def put(store: SwiftStore, container: str, *names: str) -> None:
    store.create_container(container)
    for name in names:
        store.put(container, name, name.encode())


def names(store: SwiftStore, container: str) -> list[str]:
    return [one.name for one in store.list_objects(container)]


def upload(source: Path | str, container: str, **options: Any) -> dict[str, Any]:
    """Upload; what the task's outlet is told of it."""
    ours = [Asset(f"swift://swift_default@{container}/day"), Asset(f"swift://{container}")]
    others = [Asset(f"swift://another@{container}"), Asset("swift://elsewhere"), Asset(f"s3://{container}")]
    events = OutletEventAccessors()
    step = UploadDataOperator(
        task_id="upload", source=str(source), container=container, outlets=ours + others, **options
    )
    assert step.execute({"outlet_events": events}) == f"swift://swift_default@{container}/{step.prefix}"
    assert not any(events[other].extra for other in others)
    assert events[ours[0]].extra == events[ours[1]].extra
    return events[ours[0]].extra


def test_only_what_is_meant_is_sent_and_only_once(store: SwiftStore, container: str, folder: Path) -> None:
    told = upload(folder, container, prefix="day", exclude=["*.md"])
    assert told == {"files": 3, "bytes": 60, "unchanged": 0, "deleted": 0}
    assert names(store, container) == ["day/a.csv", "day/b.csv", "day/deep/c.csv"]
    told = upload(folder, container, prefix="day", exclude=["*.md"])
    assert told == {"files": 0, "bytes": 0, "unchanged": 3, "deleted": 0}


def test_a_glob_names_files_below_what_is_spelled_out(store: SwiftStore, container: str, folder: Path) -> None:
    upload(f"{folder}/**/*.csv", container, include=["c.*"])
    assert names(store, container) == ["deep/c.csv"]


def test_what_is_no_longer_there_is_deleted_under_the_prefix_only(
    store: SwiftStore, container: str, folder: Path
) -> None:
    put(store, container, "day/old.csv", "day/old.md", "other/old.csv", RESULT, MARK)
    told = upload(folder, container, prefix="day", exclude=["*.md"], delete=True)
    assert told["deleted"] == 1
    left = ["day/a.csv", "day/b.csv", "day/deep/c.csv", "day/old.md", "other/old.csv", MARK, RESULT]
    assert names(store, container) == left


def test_what_is_elsewhere_is_passed_on(store: SwiftStore, container: str) -> None:
    attach(protocol="memory", fs=MemoryFileSystem())
    there = ObjectStoragePath(f"memory://{container}/folder")
    (there / "deep").mkdir(parents=True)
    for name in ("a.csv", "deep/b.csv", "notes.md"):
        (there / name).write_bytes(name.encode())
    assert upload(f"memory://{container}/folder", container, exclude=["*.md"])["files"] == 2
    assert names(store, container) == ["a.csv", "deep/b.csv"]
    told = upload(f"memory://{container}/folder/*.csv", container, delete=True)
    assert told == {"files": 0, "bytes": 0, "unchanged": 1, "deleted": 1}


def test_a_source_that_is_not_there_is_told_by_its_name(store: SwiftStore, container: str) -> None:
    with pytest.raises(StoreError, match="/nothing/here: there is no such file or folder"):
        upload("/nothing/here", container)


def download(container: str, destination: Path | str, **options: Any) -> str:
    step = DownloadDataOperator(task_id="down", container=container, destination=str(destination), **options)
    return step.execute({})


def test_a_local_folder_is_filled_in_place(store: SwiftStore, container: str, tmp_path: Path) -> None:
    put(store, container, "day/a", "day/deep/b", "other")
    place = tmp_path / "there"
    place.mkdir()
    (place / "mine").touch()
    assert download(container, place, prefix="day") == str(place)
    assert {file.relative_to(place).as_posix(): file.read_text() for file in place.rglob("*") if file.is_file()} == {
        "a": "day/a",
        "deep/b": "day/deep/b",
        "mine": "",
    }
    fetched = (place / "a").stat()
    (place / "deep" / "b").unlink()
    download(container, place, prefix="day")
    assert (place / "deep" / "b").read_text() == "day/deep/b"
    assert (place / "a").stat().st_ino == fetched.st_ino


def test_what_is_downloaded_may_go_elsewhere(store: SwiftStore, container: str) -> None:
    put(store, container, "day/a", "day/deep/b")
    attach(protocol="memory", fs=MemoryFileSystem())
    download(container, f"memory://{container}/down", prefix="day")
    assert ObjectStoragePath(f"memory://{container}/down/deep/b").read_bytes() == b"day/deep/b"


def test_results_that_are_downloaded_and_uploaded_again_are_data(
    store: SwiftStore, container: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(store, container, RESULT, MARK)
    download(container, tmp_path / "there", prefix="training-AbC_12-xY")
    upload(tmp_path / "there", container, prefix="old-model")
    assert names(store, container) == ["old-model/model/weights", MARK, RESULT]
    assert "results of trainings" not in capsys.readouterr().out


def test_results_in_a_larger_folder_stay_results_and_the_upload_names_them(
    store: SwiftStore, container: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(store, container, "data.csv", RESULT, MARK)
    download(container, tmp_path / "there")
    upload(tmp_path / "there", container, prefix="copy")
    assert f"copy/{MARK}" in names(store, container)
    [line] = [one for one in capsys.readouterr().out.splitlines() if "results of trainings" in one]
    assert "warning" in line.lower()
    assert "leaves them out: copy/training-AbC_12-xY. To have them as data" in line


def test_nothing_to_download_is_an_error(store: SwiftStore, container: str, tmp_path: Path) -> None:
    put(store, container, "day/a")
    with pytest.raises(ObjectNotFound, match=f"nothing under 'dya' in container '{container}'"):
        download(container, tmp_path, prefix="dya")


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"prefix": "day"}, ["other", MARK, RESULT]),
        ({"names": ["day/a", "gone"]}, ["day/b", "other", MARK, RESULT]),
        ({"names": "day/a"}, ["day/b", "other", MARK, RESULT]),
        ({"names": ["day/a", "other"], "prefix": "day"}, ["day/b", "other", MARK, RESULT]),
        ({"names": [RESULT]}, ["day/a", "day/b", "other", MARK]),
        ({"names": []}, ["day/a", "day/b", "other", MARK, RESULT]),
        ({"everything": True}, [MARK, RESULT]),
        ({"prefix": "training-AbC_12-xY/model"}, ["day/a", "day/b", "other", MARK]),
        ({"prefix": "training-AbC_12-xY"}, ["day/a", "day/b", "other"]),
        ({"prefix": "gone"}, ["day/a", "day/b", "other", MARK, RESULT]),
    ],
)
def test_only_what_was_said_is_deleted(
    store: SwiftStore, container: str, options: dict[str, Any], left: list[str]
) -> None:
    put(store, container, "day/a", "day/b", "other", MARK, RESULT)
    DeleteDataOperator(task_id="away", container=container, **options).execute({})
    assert names(store, container) == left


def test_everything_is_deleted_whatever_its_name_looks_like(store: SwiftStore, container: str) -> None:
    put(store, container, "()", "['day/a']", "day/b", RESULT, MARK)
    DeleteDataOperator(task_id="away", container=container, everything=True).execute({})
    assert names(store, container) == [MARK, RESULT]


@pytest.mark.parametrize(
    ("prefix", "stay"), [("day", True), ("day/training-AbC_12-xY", False), (f"day/{RESULT}", False)]
)
def test_results_below_the_folder_stay_unless_the_folder_is_theirs(
    store: SwiftStore, container: str, prefix: str, stay: bool
) -> None:
    put(store, container, "day/a", f"day/{MARK}", f"day/{RESULT}/w")
    DeleteDataOperator(task_id="away", container=container, prefix=prefix).execute({})
    assert (f"day/{RESULT}/w" in names(store, container)) is stay


@pytest.mark.usefixtures("store")
def test_a_container_that_is_gone_is_no_error(container: str) -> None:
    DeleteDataOperator(task_id="away", container=container, everything=True).execute({})
