from __future__ import annotations

import os
import stat

import pytest

from airflow_dlaas._util.atomic_write import atomic_write, atomic_write_text, fsync_directory


def names(folder):
    return sorted(one.name for one in folder.iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def synced(monkeypatch):
    """Return a list of the types of the synced descriptors, in order."""
    kinds, fsync = [], os.fsync

    def record(descriptor):
        kinds.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    return kinds


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=["umask-000", "umask-022", "umask-077"])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_write_replaces_the_file_when_the_block_ends(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_write_leaves_nothing_after_an_error(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted():
        with atomic_write(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_write_leaves_nothing_where_a_folder_is_in_the_way(tmp_path):
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(OSError, match="file"):
        atomic_write_text(path, "new")
    assert names(tmp_path) == ["file"]
    assert names(path) == []


def test_write_to_a_missing_folder_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic_write_text(tmp_path / "missing" / "file", "new")


def test_write_sets_the_mode_whatever_the_umask(tmp_path, umask):
    atomic_write_text(tmp_path / "public", "", mode=0o644)
    atomic_write_text(tmp_path / "private", "", mode=0o600)
    assert (mode(tmp_path / "public"), mode(tmp_path / "private")) == (0o644, 0o600)


def test_write_without_a_mode_obeys_the_umask(tmp_path, umask):
    atomic_write_text(tmp_path / "file", "", mode=None)
    assert mode(tmp_path / "file") == 0o666 & ~umask


@pytest.mark.parametrize("wanted", [0o600, 0o644])
def test_write_is_private_from_the_creation_on(tmp_path, umask, wanted):
    with atomic_write(tmp_path / "file", mode=wanted):
        (temporary,) = tmp_path.iterdir()
        assert mode(temporary) & 0o077 == 0


def test_write_gives_a_private_mode_to_a_file_that_was_public(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    atomic_write_text(path, "new", mode=0o600)
    assert mode(path) == 0o600


def test_write_replaces_a_link_and_not_its_target(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    atomic_write_text(link, "new")
    assert not link.is_symlink()
    assert (link.read_text(), target.read_text()) == ("new", "old")


def test_write_uses_a_temporary_name_that_begins_with_the_files(tmp_path):
    """What removes secrets.json also removes what an interrupted write of it has left, by this name."""
    with atomic_write(tmp_path / "secrets.json"):
        (name,) = names(tmp_path)
    assert name.startswith(".secrets.json.")
    assert name.endswith(".part")


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127])
def test_write_takes_the_longest_names(tmp_path, name):
    atomic_write_text(tmp_path / name, "new")
    assert names(tmp_path) == [name]


def test_write_syncs_the_file_and_then_its_folder_if_asked(tmp_path, synced):
    atomic_write_text(tmp_path / "file", "new", fsync=True)
    assert synced == ["file", "directory"]


def test_write_syncs_nothing_by_default(tmp_path, synced):
    atomic_write_text(tmp_path / "file", "new")
    assert synced == []


def test_write_without_overwriting_creates_a_file(tmp_path):
    atomic_write_text(tmp_path / "file", "new", overwrite=False)
    assert (tmp_path / "file").read_text() == "new"
    assert names(tmp_path) == ["file"]


def test_write_without_overwriting_leaves_an_existing_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("first")
    with pytest.raises(FileExistsError):
        atomic_write_text(path, "second", overwrite=False)
    assert path.read_text() == "first"
    assert names(tmp_path) == ["file"]


def test_write_text_is_utf_8_without_translated_newlines(tmp_path):
    atomic_write_text(tmp_path / "file", "ä\r\n")
    assert (tmp_path / "file").read_bytes() == "ä\r\n".encode()


def test_write_text_that_cannot_be_encoded_writes_nothing(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        atomic_write_text(tmp_path / "file", "\ud800")
    assert names(tmp_path) == []


def test_fsync_directory_takes_directories_only(tmp_path, synced):
    fsync_directory(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        fsync_directory(tmp_path / "file")
    assert synced == ["directory"]
