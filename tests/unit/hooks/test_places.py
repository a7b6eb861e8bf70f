"""Files that travel between tasks by URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_dlaas.errors import InvalidBundle
from airflow_dlaas.hooks.places import brought_here, local_path, put_there, sources_at


def test_a_path_and_a_file_url_are_the_same_place() -> None:
    assert local_path("/a/b") == local_path("file:///a/b") == Path("/a/b")
    assert local_path("s3://bucket/key") is None


def test_a_local_place_is_used_as_it_is(tmp_path: Path) -> None:
    with brought_here(tmp_path.as_uri()) as here:
        assert here == tmp_path


def test_what_is_local_is_left_to_whoever_looks_for_files_there() -> None:
    assert sources_at("/data/**/*.csv", None, ["x"]) == Path("/data/**/*.csv")
    assert sources_at("file:///data/part-[0-9].csv", None, []) == Path("/data/part-[0-9].csv")


def test_a_place_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="nothing-here"), brought_here(f"{tmp_path}/nothing-here"):
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
    with brought_here("memory://place/folder") as here:
        assert {file.relative_to(here).as_posix() for file in here.rglob("*") if file.is_file()} == {
            "a.txt",
            "sub/b.txt",
        }


@pytest.mark.usefixtures("memory")
def test_what_was_made_is_put_at_a_remote_place() -> None:
    with put_there("memory://place/made") as made:
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
    with put_there(str(place)) as made:
        made.mkdir()
        (made / "new").write_text("new")
    assert [one.name for one in place.iterdir()] == ["new"]
    assert [one.name for one in place.parent.iterdir()] == ["model"]


def test_a_place_stays_as_it_was_when_making_fails(tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.mkdir()
    (place / "old").touch()
    with pytest.raises(FileNotFoundError), put_there(str(place)) as made:
        (made / "never-made").touch()
    assert [one.name for one in tmp_path.rglob("*")] == ["model", "old"]
