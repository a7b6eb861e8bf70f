"""Tests of the search for files at a location."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_dlaas.contract.patterns import Patterns
from airflow_dlaas.exceptions import InvalidArgument, NothingSelected
from airflow_dlaas.hooks.sources import Location, find_sources, local_path


def names(location: Location, include: Patterns = None, exclude: Patterns = (), **options: bool) -> list[str]:
    return [source.name for source in find_sources(location, include, exclude, **options)]


def test_local_path_accepts_paths_and_file_addresses() -> None:
    assert local_path("/a/b") == local_path("file:///a/b") == Path("/a/b")
    assert local_path("s3://bucket/key") is None
    with pytest.raises(InvalidArgument, match="cannot name another machine"):
        local_path("file://a/b")


def test_find_sources_accepts_paths_globs_and_addresses(tmp_path: Path) -> None:
    for name in ("a.csv", "part-1.csv", "b.tmp"):
        (tmp_path / name).touch()
    assert names(str(tmp_path), exclude="*.tmp") == ["a.csv", "part-1.csv"]
    assert names(tmp_path, exclude="*.tmp") == ["a.csv", "part-1.csv"]
    assert names(ObjectStoragePath(tmp_path.as_uri()), "a*") == ["a.csv"]
    assert names(f"{tmp_path}/*.csv", "a*") == ["a.csv"]
    assert names(f"{tmp_path.as_uri()}/part-[0-9].csv") == ["part-1.csv"]


def test_find_sources_raises_without_files_unless_empty_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    for location, include in ((f"{tmp_path}/*.none", None), (str(tmp_path), "*.none")):
        with pytest.raises(NothingSelected, match="none"):
            names(location, include)
        assert names(location, include, allow_empty=True) == []


def test_find_sources_accepts_addresses_of_other_file_systems() -> None:
    attach(protocol="memory", fs=MemoryFileSystem())
    folder = ObjectStoragePath("memory://sources/folder")
    folder.mkdir(parents=True)
    (folder / "a.csv").write_bytes(b"a")
    assert names(folder) == names("memory://sources/folder") == ["a.csv"]
