"""A checkpoint is restored as it was, or not at all."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import ContainerNotFound
from airflow_dlaas.service.checkpoints.find import find_checkpoints, list_manifests
from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest, EntryKind, ManifestEntry, manifest_name
from airflow_dlaas.service.checkpoints.manifest_checks import DamagedCheckpoint, require_valid_manifest
from airflow_dlaas.service.checkpoints.restore import empty_folder, link_target, restore_checkpoint
from tests.checkpoints import (
    MTIME_NS,
    file_entry,
    folder_entry,
    link_entry,
    manifest_of,
    store_checkpoint_by_hand,
    store_manifest,
)
from tests.memory_store import MemoryStore
from tests.stored import read_tree

T = "training-a"

FILES = {"last.pt": b"weights", "epoch-3/shard-0": b"0" * 1000, "epoch-3/deep/shard-1": b"1", "empty": b""}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def find(store: MemoryStore) -> list[CheckpointManifest]:
    return list(find_checkpoints(store, "c", T, logging.getLogger("test")))


def test_checkpoint_is_restored_with_files_folders_links_modes_and_times(store: MemoryStore, tmp_path: Path) -> None:
    others = [
        folder_entry("epoch-3", mode=0o700),
        folder_entry("nothing-in-it", mode=0o500),
        link_entry("latest", "epoch-3"),
        link_entry("epoch-3/up", "../last.pt"),
        link_entry("dangling", "/no/such/file"),
    ]
    manifest = store_checkpoint_by_hand(store, "c", T, 1, 7, FILES, others)
    restore_checkpoint(store, "c", manifest, tmp_path)
    names = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")}
    assert names == {*FILES, "epoch-3", "epoch-3/deep", "nothing-in-it", "latest", "epoch-3/up", "dangling"}
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES
    assert (tmp_path / "latest").readlink() == Path("epoch-3")
    assert (tmp_path / "dangling").readlink() == Path("/no/such/file")
    assert (tmp_path / "epoch-3/up").read_bytes() == b"weights"
    assert (tmp_path / "last.pt").stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "epoch-3").stat().st_mode & 0o7777 == 0o700
    assert (tmp_path / "nothing-in-it").stat().st_mode & 0o7777 == 0o500
    for name in ("last.pt", "epoch-3", "nothing-in-it", "latest", "dangling"):
        assert os.lstat(tmp_path / name).st_mtime_ns == MTIME_NS, name


@pytest.mark.parametrize(
    ("path", "target", "restored"),
    [
        ("latest", "epoch-3", "epoch-3"),
        ("latest", f"/data/jobs/{T}/checkpoints/epoch-3/last.pt", "epoch-3/last.pt"),
        ("a/b/latest", f"/data/jobs/{T}/checkpoints/a/epoch-3", "../epoch-3"),
        ("latest", f"/data/jobs/{T}/results/model", f"/data/jobs/{T}/results/model"),
        ("latest", "/data/jobs/training-ab/checkpoints/x", "/data/jobs/training-ab/checkpoints/x"),
        ("latest", "/etc/passwd", "/etc/passwd"),
    ],
)
def test_absolute_link_into_the_folder_is_relative_after_it_was_restored(path: str, target: str, restored: str) -> None:
    """A training that begins with the checkpoint of another one has its folder at another path."""
    assert link_target(link_entry(path, target), T) == restored


def test_files_of_equal_content_are_restored_from_one_object(store: MemoryStore, tmp_path: Path) -> None:
    manifest = store_checkpoint_by_hand(store, "c", T, 1, 1, {"a": b"x" * 100, "b": b"x" * 100})
    restore_checkpoint(store, "c", manifest, tmp_path)
    assert read_tree(tmp_path) == {"a": b"x" * 100, "b": b"x" * 100}


def test_content_that_was_replaced_in_the_store_is_damage(store: MemoryStore, tmp_path: Path) -> None:
    """The store itself finds nothing wrong: the object is whole, but it is another one."""
    manifest = store_checkpoint_by_hand(store, "c", T, 1, 1, FILES)
    store.containers["c"][manifest.entries[0].object_name or ""] = b"WEIGHTS"
    with pytest.raises(DamagedCheckpoint, match="has other content than it was stored with"):
        restore_checkpoint(store, "c", manifest, tmp_path)


def test_missing_content_is_damage(store: MemoryStore, tmp_path: Path) -> None:
    manifest = manifest_of(T, 1, 1, FILES)
    with pytest.raises(DamagedCheckpoint):
        restore_checkpoint(store, "c", manifest, tmp_path)


def test_interrupted_restore_fetches_only_what_is_missing(store: MemoryStore, tmp_path: Path) -> None:
    manifest = store_checkpoint_by_hand(store, "c", T, 1, 1, FILES, [link_entry("latest", "last.pt")])
    restore_checkpoint(store, "c", manifest, tmp_path)
    (tmp_path / "last.pt").unlink()
    store.asked.clear()
    restore_checkpoint(store, "c", manifest, tmp_path)
    assert store.asked == [manifest.entries[0].object_name]


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([file_entry(T, 1, "../out", b"x")], r"has the step '\.\.'"),
        ([file_entry(T, 1, "/etc/passwd", b"x")], "begins with a slash"),
        ([file_entry(T, 1, "a/./b", b"x")], r"has the step '\.'"),
        ([file_entry(T, 1, "a//b", b"x")], "holds two slashes"),
        ([file_entry(T, 1, "", b"x")], "is empty"),
        ([folder_entry("../out")], r"has the step '\.\.'"),
        ([link_entry("/tmp/out", "x")], "begins with a slash"),
        ([file_entry(T, 1, "a", b"x"), file_entry(T, 1, "a", b"y")], "occurs twice"),
        ([link_entry("a", "/etc"), file_entry(T, 1, "a/passwd", b"x")], "is below 'a', which is no folder"),
        ([file_entry(T, 1, "a", b"x"), file_entry(T, 1, "a/b/c", b"x")], "is below 'a', which is no folder"),
        ([link_entry("a", "")], "invalid target"),
        ([link_entry("a", "x\0y")], "invalid target"),
        ([ManifestEntry(path="a", kind=EntryKind.FILE, object_name=f"{T}/x")], "has no MD5"),
        ([file_entry("training-ab", 1, "a", b"x")], "in no object of the training"),
        ([file_entry(T, 1, "a", b"x").model_copy(update={"size": -1})], "invalid size"),
        ([file_entry(T, 1, "a", b"x").model_copy(update={"mtime_ns": 2**63})], "invalid time"),
    ],
)
def test_manifest_cannot_lead_out_of_the_folder_or_contradict_itself(
    entries: list[ManifestEntry], why: str, store: MemoryStore, tmp_path: Path
) -> None:
    manifest = manifest_of(T, 1, 1, {}, entries)
    with pytest.raises(DamagedCheckpoint, match=why):
        require_valid_manifest(manifest)
    with pytest.raises(DamagedCheckpoint, match=why):
        restore_checkpoint(store, "c", manifest, tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_manifest_of_a_later_release_is_damage() -> None:
    with pytest.raises(DamagedCheckpoint, match="format 2"):
        require_valid_manifest(manifest_of(T, 1, 1, {}).model_copy(update={"format": 2}))


def test_checkpoints_are_found_newest_first(store: MemoryStore) -> None:
    for attempt, number in ((1, 2), (2, 1), (1, 10), (10, 1), (2, 3)):
        store_manifest(store, "c", manifest_of(T, attempt, number, {}))
    store_manifest(store, "c", manifest_of("training-ab", 1, 1, {}))
    assert [(one.attempt, one.number) for one in find(store)] == [(10, 1), (2, 3), (2, 1), (1, 10), (1, 2)]
    earlier = list_manifests(store, "c", T, before_attempt=2)
    assert [(one.attempt, one.number) for one in earlier] == [(1, 10), (1, 2)]


def test_training_without_checkpoints_has_none(store: MemoryStore) -> None:
    assert find(store) == []
    with pytest.raises(ContainerNotFound):
        list_manifests(store, "no-container", T)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        manifest_of(T, 1, 1, {}).model_dump_json().encode(),
        manifest_of(T, 1, 2, {}, [folder_entry("..")]).model_dump_json().encode(),
    ],
)
def test_damaged_manifest_is_skipped_with_a_line_in_the_log(
    content: bytes, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    store_manifest(store, "c", manifest_of(T, 1, 1, {}))
    store.put("c", manifest_name(T, 1, 2), content)
    assert [one.number for one in find(store)] == [1]
    assert caplog.messages[0].startswith(f"Skipping checkpoint 2 of attempt 1 of training {T}: ")


@pytest.mark.parametrize("kind", ["missing", "file", "link to a folder", "dangling link", "folder", "sealed folder"])
def test_folder_is_emptied_whatever_is_at_its_path(kind: str, tmp_path: Path) -> None:
    folder, other = tmp_path / "checkpoints", tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    if kind == "file":
        folder.touch()
    elif kind == "link to a folder":
        folder.symlink_to(other)
    elif kind == "dangling link":
        folder.symlink_to(tmp_path / "nowhere")
    elif kind != "missing":
        (folder / "deep/er").mkdir(parents=True)
        (folder / "deep/file").touch()
        folder.chmod(0o755 if kind == "folder" else 0)
    empty_folder(folder)
    assert folder.is_dir()
    assert not folder.is_symlink()
    assert list(folder.iterdir()) == []
    assert (other / "kept").exists()
