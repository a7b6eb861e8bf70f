"""Tests of local copies of files that tasks pass on by address."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_dlaas.exceptions import InvalidBundle
from airflow_dlaas.task_runs.locations import fetch_to_local, publish_from_local


def test_fetch_to_local_yields_a_local_path_unchanged(tmp_path: Path) -> None:
    with fetch_to_local(tmp_path.as_uri()) as path:
        assert path == tmp_path


def test_fetch_to_local_names_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="nothing-here"), fetch_to_local(f"{tmp_path}/nothing-here"):
        pass


@pytest.fixture
def memory() -> None:
    """Attach the in-memory file system of fsspec to Airflow."""
    attach(protocol="memory", fs=MemoryFileSystem())


@pytest.mark.usefixtures("memory")
def test_fetch_to_local_copies_a_remote_folder() -> None:
    remote = ObjectStoragePath("memory://place/folder")
    (remote / "sub").mkdir(parents=True)
    (remote / "sub" / "b.txt").write_bytes(b"b")
    (remote / "a.txt").write_bytes(b"a")
    with fetch_to_local("memory://place/folder") as copy:
        assert {file.relative_to(copy).as_posix() for file in copy.rglob("*") if file.is_file()} == {
            "a.txt",
            "sub/b.txt",
        }


@pytest.mark.usefixtures("memory")
def test_publish_from_local_copies_to_a_remote_location() -> None:
    with publish_from_local("memory://place/made") as made:
        made.mkdir()
        (made / "x").write_bytes(b"1")
    assert ObjectStoragePath("memory://place/made/x").read_bytes() == b"1"


@pytest.mark.parametrize("before", [None, "file", "folder"])
def test_publish_from_local_replaces_its_location_as_a_whole(tmp_path: Path, before: str | None) -> None:
    place = tmp_path / "deep" / "model"
    if before == "folder":
        (place / "old").mkdir(parents=True)
    elif before == "file":
        place.parent.mkdir()
        place.write_text("old")
    with publish_from_local(str(place)) as made:
        made.mkdir()
        (made / "new").write_text("new")
    assert [one.name for one in place.iterdir()] == ["new"]
    assert [one.name for one in place.parent.iterdir()] == ["model"]


def test_publish_from_local_changes_nothing_if_the_block_fails(tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.mkdir()
    (place / "old").touch()
    with pytest.raises(FileNotFoundError), publish_from_local(str(place)) as made:
        (made / "never-made").touch()
    assert [one.name for one in tmp_path.rglob("*")] == ["model", "old"]
