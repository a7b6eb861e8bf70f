"""Staged files keep the content that was found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_dlaas.service.checkpoints.snapshot import FoundFile, take_snapshot
from airflow_dlaas.service.checkpoints.staging import StagingFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints"
    path.mkdir()
    return path


@pytest.fixture(params=["links", "copies"])
def staging(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StagingFolder:
    """The folder, in a file system with hard links and in one without."""
    if request.param == "copies":

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "link", refuse)  # no file system of a test machine is without links
    return StagingFolder(tmp_path / "staging")


def found_in(folder: Path) -> list[FoundFile]:
    return [one for entry in take_snapshot(folder).entries.values() for one in entry.files]


def test_staged_file_outlives_the_command_s_file(folder, staging):
    (folder / "last.pt").write_text("one")
    [staged] = staging.stage(folder, found_in(folder))
    (folder / "last.pt").unlink()
    assert b"".join(map(bytes, staged.part(0, staged.size).chunks())) == b"one"
    assert not staged.has_changed()


def test_file_that_was_replaced_since_the_look_is_not_staged(folder, staging):
    (folder / "last.pt").write_text("one")
    found = found_in(folder)
    (folder / "other").write_text("two")
    (folder / "other").rename(folder / "last.pt")
    assert staging.stage(folder, found) is None


def test_file_that_was_removed_since_the_look_is_not_staged(folder, staging):
    (folder / "a").write_text("a")
    (folder / "b").write_text("b")
    found = found_in(folder)
    (folder / "b").unlink()
    assert staging.stage(folder, found) is None
    assert not list((folder.parent / "staging").iterdir())


def test_link_to_a_file_outside_that_took_the_place_of_a_folder_is_not_followed(folder, staging, tmp_path):
    """The command runs meanwhile: a folder of the look may be a link to any file of the machine by now."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("one")
    (folder / "step").mkdir()
    (folder / "step" / "secret").write_text("one")
    found = found_in(folder)
    (folder / "step").rename(folder / "moved")
    (folder / "step").symlink_to(tmp_path / "outside")
    assert staging.stage(folder, found) is None


def test_sparse_file_of_ten_gibibytes_is_staged_without_reading_it(folder, tmp_path):
    with (folder / "big").open("wb") as file:
        file.truncate(10 * 1024**3)
    [staged] = StagingFolder(tmp_path / "staging").stage(folder, found_in(folder)) or ()
    assert staged.size == 10 * 1024**3
    assert Path(staged.location).stat().st_ino == (folder / "big").stat().st_ino


def test_file_that_was_overwritten_in_place_has_changed(folder, tmp_path):
    (folder / "last.pt").write_text("one")
    [staged] = StagingFolder(tmp_path / "staging").stage(folder, found_in(folder)) or ()
    (folder / "last.pt").write_text("three")
    assert staged.has_changed()
