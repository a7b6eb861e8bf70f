"""Files that travel between tasks by URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_dlaas.exceptions import InvalidArgument, InvalidBundle, NothingSelected
from airflow_dlaas.storage.sources.patterns import Patterns
from airflow_dlaas.task_runs.locations import fetch_to_local, local_path, publish_from_local, resolve_sources


def test_a_path_and_a_file_url_are_the_same_place() -> None:
    assert local_path("/a/b") == local_path("file:///a/b") == Path("/a/b")
    assert local_path("s3://bucket/key") is None
    with pytest.raises(InvalidArgument, match="no other machine"):
        local_path("file://a/b")


def test_a_local_place_is_used_as_it_is(tmp_path: Path) -> None:
    with fetch_to_local(tmp_path.as_uri()) as here:
        assert here == tmp_path


def test_local_files_are_found_by_path_by_glob_and_by_address(tmp_path: Path) -> None:
    for name in ("a.csv", "part-1.csv", "b.tmp"):
        (tmp_path / name).touch()

    def names(place: str, include: Patterns = None, exclude: Patterns = (), **options: bool) -> list[str]:
        return [one.name for one in resolve_sources(place, include, exclude, **options)]

    assert names(str(tmp_path), exclude="*.tmp") == ["a.csv", "part-1.csv"]
    assert names(f"{tmp_path}/*.csv", "a*") == ["a.csv"]
    assert names(f"{tmp_path.as_uri()}/part-[0-9].csv") == ["part-1.csv"]
    for place, include in ((f"{tmp_path}/*.none", None), (str(tmp_path), "*.none")):
        with pytest.raises(NothingSelected, match="none"):
            names(place, include)
        assert names(place, include, allow_empty=True) == []


def test_a_place_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="nothing-here"), fetch_to_local(f"{tmp_path}/nothing-here"):
        pass


@pytest.fixture
def memory() -> None:
    """A place elsewhere: Airflow's own way to attach a file system, here fsspec's in memory."""
    attach(protocol="memory", fs=MemoryFileSystem())


@pytest.mark.usefixtures("memory")
def test_a_remote_folder_is_brought_here_whole() -> None:
    there = ObjectStoragePath("memory://place/folder")
    (there / "sub").mkdir(parents=True)
    (there / "sub" / "b.txt").write_bytes(b"b")
    (there / "a.txt").write_bytes(b"a")
    with fetch_to_local("memory://place/folder") as here:
        assert {file.relative_to(here).as_posix() for file in here.rglob("*") if file.is_file()} == {
            "a.txt",
            "sub/b.txt",
        }


@pytest.mark.usefixtures("memory")
def test_what_was_made_is_put_at_a_remote_place() -> None:
    with publish_from_local("memory://place/made") as made:
        made.mkdir()
        (made / "x").write_bytes(b"1")
    assert ObjectStoragePath("memory://place/made/x").read_bytes() == b"1"


@pytest.mark.parametrize("before", [None, "file", "folder"])
def test_a_place_is_replaced_as_a_whole(tmp_path: Path, before: str | None) -> None:
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


def test_a_place_stays_as_it_was_when_making_fails(tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.mkdir()
    (place / "old").touch()
    with pytest.raises(FileNotFoundError), publish_from_local(str(place)) as made:
        (made / "never-made").touch()
    assert [one.name for one in tmp_path.rglob("*")] == ["model", "old"]
