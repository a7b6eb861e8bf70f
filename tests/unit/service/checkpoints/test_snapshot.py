"""What one look finds, and which files are open."""

from __future__ import annotations

import mmap
import os
import stat

import pytest

from airflow_dlaas.service.checkpoints.open_files import OpenState, has_open_file, open_state
from airflow_dlaas.service.checkpoints.snapshot import MAX_FOLDER_DEPTH, take_snapshot


def test_missing_folder_has_no_entries(tmp_path):
    assert not take_snapshot(tmp_path / "missing").entries


def test_folder_that_was_replaced_by_a_link_has_no_entries(tmp_path):
    (tmp_path / "link").symlink_to("/etc")
    assert not take_snapshot(tmp_path / "link").entries


def test_links_are_found_and_not_followed(tmp_path):
    (tmp_path / "etc").symlink_to("/etc")
    [entry] = take_snapshot(tmp_path).entries.values()
    assert [(str(one.kind), one.target) for one in entry.found] == [("link", "/etc")]


def test_two_looks_at_the_same_state_are_equal(tmp_path):
    for name in ("b", "a/2", "a/1", "empty/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty/x").unlink()
    first = take_snapshot(tmp_path)
    assert first == take_snapshot(tmp_path)
    assert [one.path for entry in first.entries.values() for one in entry.found] == ["a", "a/1", "a/2", "b", "empty"]


def test_what_is_no_file_is_skipped_with_the_reason(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.mknod(tmp_path / "socket", stat.S_IFSOCK | 0o600)
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    (tmp_path / "link").symlink_to(os.fsdecode(b"\xff"))
    snapshot = take_snapshot(tmp_path)
    assert not snapshot.entries
    assert snapshot.skipped == {
        "pipe": "a pipe",
        "socket": "a socket",
        "\\xff": "its name is not UTF-8",
        "link": "the target of the link is not UTF-8",
    }


def test_folders_in_each_other_without_end_are_skipped(tmp_path):
    path = tmp_path
    for _ in range(MAX_FOLDER_DEPTH + 5):
        path /= "d"
        path.mkdir()
    snapshot = take_snapshot(tmp_path)
    assert len(snapshot.entries["d"].found) == MAX_FOLDER_DEPTH + 1
    assert len(snapshot.skipped) == 1


@pytest.mark.parametrize("mode", ["w", "a", "r+"])
def test_file_that_is_open_for_writing_is_found(tmp_path, mode):
    (tmp_path / "step").mkdir()
    for name in ("a", "b"):
        (tmp_path / "step" / name).write_text("x")
    [entry] = take_snapshot(tmp_path).entries.values()
    assert not has_open_file(tmp_path, entry.files)
    with (tmp_path / "step" / "b").open(mode):
        assert has_open_file(tmp_path, entry.files)
    assert not has_open_file(tmp_path, entry.files)


def test_file_that_is_read_is_not_open_for_writing(tmp_path):
    (tmp_path / "a").write_text("x")
    with (tmp_path / "a").open():
        assert open_state(tmp_path / "a") is OpenState.CLOSED


def test_file_in_the_memory_of_a_program_is_open_for_writing(tmp_path):
    (tmp_path / "a").write_text("x")
    with (tmp_path / "a").open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 1)
    assert open_state(tmp_path / "a") is OpenState.OPEN
    memory.close()
    assert open_state(tmp_path / "a") is OpenState.CLOSED


def test_state_of_a_missing_file_is_unknown(tmp_path):
    assert open_state(tmp_path / "missing") is OpenState.UNKNOWN
