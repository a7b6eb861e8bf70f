from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from airflow_dlaas.service.data_cache.link_files import FilePlacer, Placement, probe_link_support
from airflow_dlaas.service.data_cache.link_mode import LinkMode

SHARED_MEMORY = Path("/dev/shm")


def test_probe_finds_hard_links_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "job").mkdir()
    assert probe_link_support(tmp_path / "cache", tmp_path / "job").hard_links
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(not os.access(SHARED_MEMORY, os.W_OK), reason="needs a second file system")
def test_another_file_system_has_no_links(tmp_path: Path) -> None:
    if SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("both are one file system")
    support = probe_link_support(tmp_path, SHARED_MEMORY)
    assert (support.reflinks, support.hard_links) == (False, False)


def test_folder_that_cannot_be_written_has_no_links(tmp_path: Path) -> None:
    assert not probe_link_support(tmp_path / "missing", tmp_path).hard_links
    assert not probe_link_support(tmp_path, tmp_path / "missing").hard_links


@pytest.mark.parametrize("mode", list(LinkMode))
def test_content_is_complete_in_each_mode(tmp_path: Path, mode: LinkMode) -> None:
    if mode is LinkMode.REFLINK and not probe_link_support(tmp_path, tmp_path).reflinks:
        pytest.skip("the file system has no reflinks")
    entry = tmp_path / "entry"
    entry.write_bytes(os.urandom(300_000))
    placer = FilePlacer(Placement(tmp_path / "root", tmp_path / "tree", mode))
    for _ in range(2):
        placer.place(str(entry), PurePosixPath("a/b/file"))
    assert (tmp_path / "root" / "a" / "b" / "file").read_bytes() == entry.read_bytes()
    assert [path.name for path in (tmp_path / "root" / "a" / "b").iterdir()] == ["file"]


@pytest.mark.parametrize("mode", [LinkMode.SYMLINK, LinkMode.HARDLINK, LinkMode.COPY])
def test_missing_entry_is_reported_as_missing(tmp_path: Path, mode: LinkMode) -> None:
    placer = FilePlacer(Placement(tmp_path / "root", tmp_path / "tree", mode))
    with pytest.raises(FileNotFoundError):
        placer.place(str(tmp_path / "gone"), PurePosixPath("file"))


def test_copy_of_an_entry_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    placer = FilePlacer(Placement(tmp_path / "root", tmp_path / "tree", LinkMode.COPY))
    with pytest.raises(OSError, match="symbolic link"):
        placer.place(str(tmp_path / "link"), PurePosixPath("file"))
    assert list((tmp_path / "root").iterdir()) == []
