"""A folder that takes long to fill survives what passes, and is gone after what does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError, ObjectNotFound, StoreUnreachable
from airflow_dlaas.task_runs.resumable_folder import resumable_folder


def fill(place: Path, *names: str, what: str = "training-1", error: Exception | None = None) -> list[str]:
    """Fill a folder for *place* with *names*, or break off; what was there before."""
    with resumable_folder(str(place), what) as folder:
        before = sorted(one.name for one in folder.iterdir()) if folder.exists() else []
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_text(name)
        if error is not None:
            raise error
    return before


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_place_is_replaced_as_a_whole(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "model"
    place.mkdir(parents=True)
    (place / "old").touch()
    fill(place, "new")
    assert names(place) == ["new"]
    assert names(place.parent) == ["model"]


def test_the_next_attempt_goes_on_after_trouble_that_passes(tmp_path: Path) -> None:
    place = tmp_path / "model"
    with pytest.raises(StoreUnreachable):
        fill(place, "a", error=StoreUnreachable("away"))
    assert not place.exists()
    assert fill(place, "b") == ["a"]
    assert names(place) == ["a", "b"]
    assert names(tmp_path) == ["model"]


def test_nothing_is_left_after_what_does_not_pass_and_the_place_is_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "model"
    fill(place, "old")
    with pytest.raises(ObjectNotFound):
        fill(place, "a", error=ObjectNotFound("gone"))
    assert names(place) == ["old"]
    assert names(tmp_path) == ["model"]


def test_what_an_attempt_at_something_else_has_left_is_removed_and_not_taken_up(tmp_path: Path) -> None:
    place = tmp_path / "model"
    for what, where in (("training-1", place), ("training-1", tmp_path / "model.keras")):
        with pytest.raises(StoreUnreachable):
            fill(where, "a", what=what, error=StoreUnreachable("away"))
    assert fill(place, "b", what="training-2") == []
    assert names(place) == ["b"]
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


def test_two_at_once_are_told_apart_and_one_that_was_killed_is_taken_up(tmp_path: Path) -> None:
    place = tmp_path / "model"
    with subprocess.Popen(
        [sys.executable, "-c", FILL_AND_WAIT, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"ready\n"
            with pytest.raises(HostError, match="is being filled by another process"):
                fill(place, "b")
            # Nor is it removed by one who fetches something else to the same place:
            assert fill(place, "c", what="training-2") == []
        finally:
            other.kill()
    assert fill(place, "b") == ["a"]
    assert names(place) == ["a", "b"]
    assert names(tmp_path) == ["model"]


def test_what_names_it_cannot_lead_elsewhere(tmp_path: Path) -> None:
    with resumable_folder(str(tmp_path / "model"), "../../x.y") as folder:
        assert folder.parent == tmp_path
        folder.mkdir()
