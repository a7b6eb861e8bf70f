"""Tests of folders that take long to fill: they stay after a transient error, and are removed after a final one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError, ObjectNotFound, StoreUnreachable
from airflow_dlaas.task_runs.resumable_folder import resumable_folder


def fill(location: Path, *names: str, content_id: str = "training-1", error: Exception | None = None) -> list[str]:
    """Fill a folder for *location* with *names*, or raise *error*; return the names of the files that were there."""
    with resumable_folder(str(location), content_id) as folder:
        before = sorted(one.name for one in folder.iterdir()) if folder.exists() else []
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_text(name)
        if error is not None:
            raise error
    return before


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_resumable_folder_relocations_its_location_as_a_whole(tmp_path: Path) -> None:
    location = tmp_path / "deep" / "model"
    location.mkdir(parents=True)
    (location / "old").touch()
    fill(location, "new")
    assert names(location) == ["new"]
    assert names(location.parent) == ["model"]


def test_resumable_folder_is_continued_after_a_transient_error(tmp_path: Path) -> None:
    location = tmp_path / "model"
    with pytest.raises(StoreUnreachable):
        fill(location, "a", error=StoreUnreachable("away"))
    assert not location.exists()
    assert fill(location, "b") == ["a"]
    assert names(location) == ["a", "b"]
    assert names(tmp_path) == ["model"]


def test_resumable_folder_is_removed_after_a_final_error(tmp_path: Path) -> None:
    location = tmp_path / "model"
    fill(location, "old")
    with pytest.raises(ObjectNotFound):
        fill(location, "a", error=ObjectNotFound("gone"))
    assert names(location) == ["old"]
    assert names(tmp_path) == ["model"]


def test_resumable_folder_of_other_content_is_removed(tmp_path: Path) -> None:
    location = tmp_path / "model"
    for content_id, target in (("training-1", location), ("training-1", tmp_path / "model.keras")):
        with pytest.raises(StoreUnreachable):
            fill(target, "a", content_id=content_id, error=StoreUnreachable("away"))
    assert fill(location, "b", content_id="training-2") == []
    assert names(location) == ["b"]
    assert names(tmp_path) == [".model.keras.training-1.dlaas-part", "model"]


FILL_AND_WAIT = """
import sys
from airflow_dlaas.task_runs.resumable_folder import resumable_folder
with resumable_folder(sys.argv[1], "training-1") as folder:
    folder.mkdir()
    (folder / "a").touch()
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_resumable_folder_is_locked_by_one_process_and_continued_after_a_kill(tmp_path: Path) -> None:
    location = tmp_path / "model"
    with subprocess.Popen(
        [sys.executable, "-c", FILL_AND_WAIT, location], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"ready\n"
            with pytest.raises(HostError, match="is being filled by another process"):
                fill(location, "b")
            # An attempt with other content for the same location does not remove it:
            assert fill(location, "c", content_id="training-2") == []
        finally:
            other.kill()
    assert fill(location, "b") == ["a"]
    assert names(location) == ["a", "b"]
    assert names(tmp_path) == ["model"]


def test_resumable_folder_id_cannot_leave_the_parent_folder(tmp_path: Path) -> None:
    with resumable_folder(str(tmp_path / "model"), "../../x.y") as folder:
        assert folder.parent == tmp_path
        folder.mkdir()
