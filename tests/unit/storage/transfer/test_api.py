"""Transfers to and from a store in memory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import (
    ContainerNotFound,
    HostError,
    NothingSelected,
    ObjectNotFound,
    StoreError,
    StoreFull,
)
from airflow_dlaas.storage.object_store import ObjectStore, Part
from airflow_dlaas.storage.transfer.api import (
    DownloadOptions,
    Progress,
    TransferReport,
    UploadOptions,
    UploadPlan,
    download,
    plan_upload,
    upload,
)
from tests.memory_store import MemoryStore

RESULT_FILE = "training-AbC_12-xY/model/weights"


def write_files(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_memory_store_implements_the_interface_of_object_stores() -> None:
    store: ObjectStore = MemoryStore()
    assert store.list_containers() == ["c"]


def test_upload_sends_every_file_of_a_folder(tmp_path: Path) -> None:
    store = MemoryStore()
    write_files(tmp_path, **{"a": b"1", "deep/er/b": b"22", ".hidden": b"", "link": b""})
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("a")
    assert upload(store, tmp_path, "c", UploadOptions(prefix="data")) == TransferReport(4, 4, 0)
    assert store.objects == {"data/a": b"1", "data/deep/er/b": b"22", "data/.hidden": b"", "data/link": b"1"}


def test_upload_reports_the_folders_that_count_as_results_of_trainings(tmp_path: Path) -> None:
    """Later trainings leave these folders out of their training data."""
    write_files(tmp_path, **{".dlaas-training": b"{}", "r/.dlaas-training": b"{}", "r/model/w": b"1", "data": b"2"})
    store = MemoryStore()
    assert upload(store, tmp_path, "c").result_folders == ("r",)
    assert upload(store, tmp_path, "c", UploadOptions(prefix="p")).result_folders == ("p", "p/r")
    assert upload(store, tmp_path, "c", UploadOptions(exclude=".dlaas-training")).result_folders == ()


def test_upload_names_a_single_file_by_its_name_and_named_files_by_the_given_names(tmp_path: Path) -> None:
    store = MemoryStore()
    write_files(tmp_path, a=b"1")
    upload(store, tmp_path / "a", "c")
    upload(store, {"other/name": tmp_path / "a"}, "c")
    assert store.objects == {"a": b"1", "other/name": b"1"}


def test_upload_skips_unchanged_files(tmp_path: Path) -> None:
    store = MemoryStore(same=b"abc", edited=b"abc", longer=b"abc", foreign=b"abc")
    report = upload(store, write_files(tmp_path, same=b"abc", edited=b"abd", longer=b"abcd"), "c")
    assert report == TransferReport(files=2, bytes=7, unchanged=1)
    assert sorted(store.asked) == ["edited", "longer"]
    assert "foreign" in store.objects


def test_download_skips_unchanged_files(tmp_path: Path) -> None:
    store = MemoryStore(same=b"abc", edited=b"abc", missing=b"abc")
    report = download(store, "c", write_files(tmp_path, same=b"abc", edited=b"abd"))
    assert report == TransferReport(files=2, bytes=6, unchanged=1)
    assert sorted(store.asked) == ["edited", "missing"]
    assert (tmp_path / "edited").read_bytes() == b"abc"


def test_download_removes_the_prefix_from_file_names(tmp_path: Path) -> None:
    store = MemoryStore(**{"run/model/a": b"1", "run/model/b/c": b"2", "run/models": b"3"})
    assert download(store, "c", tmp_path / "new", DownloadOptions(prefix="run/model")) == TransferReport(2, 2, 0)
    assert {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*")} == {"a", "b", "b/c"}


def test_download_of_a_missing_name_fails_before_any_file_is_fetched(tmp_path: Path) -> None:
    store = MemoryStore(a=b"1")
    with pytest.raises(ObjectNotFound, match="'b'"):
        download(store, "c", tmp_path, DownloadOptions(names=["a", "b"]))
    assert not store.asked


def test_download_refuses_a_name_outside_the_destination_before_any_file_is_fetched(tmp_path: Path) -> None:
    store = MemoryStore(**{"a": b"1", "../evil": b"2"})
    with pytest.raises(StoreError, match=r"'\.\./evil'"):
        download(store, "c", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_download_does_not_write_through_a_link_in_the_destination(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(StoreError, match="is a link that leaves"):
        download(MemoryStore(**{"sub/a": b"1"}), "c", tmp_path / "new")
    assert not list((tmp_path / "outside").iterdir())


def test_transfer_without_files_is_an_error_unless_allow_empty_is_set(tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound, match="nothing under 'p' in container 'c'"):
        download(MemoryStore(a=b"1"), "c", tmp_path / "to", DownloadOptions(prefix="p"))
    assert not (tmp_path / "to").exists()
    assert download(MemoryStore(), "c", tmp_path, DownloadOptions(allow_empty=True)) == TransferReport(0, 0, 0)
    with pytest.raises(NothingSelected, match=f"{tmp_path}: there is no file in it"):
        upload(MemoryStore(), tmp_path, "c")
    assert upload(MemoryStore(), tmp_path, "c", UploadOptions(allow_empty=True)) == TransferReport(0, 0, 0)


@pytest.mark.parametrize("files", [{}, {"a": b"1"}])
def test_upload_to_a_missing_container_fails_even_without_files(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(ContainerNotFound):
        upload(MemoryStore(), write_files(tmp_path, **files), "missing", UploadOptions(allow_empty=True))


@pytest.mark.parametrize("name", ["missing", "dangling", "folder"])
def test_upload_of_an_unreadable_source_fails_before_any_file_is_sent(tmp_path: Path, name: str) -> None:
    store = MemoryStore()
    folder = write_files(tmp_path / "here", a=b"1")
    (folder / "dangling").symlink_to("nowhere")
    if name == "folder":
        (folder / "dangling").unlink()
        (folder / "link").symlink_to(tmp_path)
    with pytest.raises(StoreError, match=r"cannot be read|is a link to a folder|no such file"):
        upload(store, folder if name != "missing" else tmp_path / "missing", "c")
    assert not store.asked


def test_the_first_failure_ends_the_transfer_and_is_raised(tmp_path: Path) -> None:
    store = MemoryStore()
    files = {"full": b"x" * 10, **{f"{number}": b"" for number in range(200)}}
    with pytest.raises(StoreFull):
        upload(store, write_files(tmp_path, **files), "c", UploadOptions(threads=1))
    assert store.asked[0] == "full"
    assert len(store.asked) < 10


def test_progress_counts_skipped_files_as_done(tmp_path: Path) -> None:
    seen: list[Progress] = []
    upload(MemoryStore(a=b"1"), write_files(tmp_path, a=b"1", b=b"22", c=b""), "c", UploadOptions(progress=seen.append))
    assert seen[-1] == Progress(3, 3, 3, 3)
    assert [one.bytes_done for one in seen] == sorted(one.bytes_done for one in seen)


def test_an_error_of_the_progress_callback_ends_the_transfer(tmp_path: Path) -> None:
    def refuse(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(MemoryStore(), write_files(tmp_path, a=b"1"), "c", UploadOptions(progress=refuse))


def test_upload_ends_its_threads(tmp_path: Path) -> None:
    before = threading.active_count()
    upload(MemoryStore(), write_files(tmp_path, **{f"{number}": b"x" for number in range(50)}), "c")
    assert threading.active_count() == before


# ---- selection of files


def test_include_and_exclude_select_files_of_a_folder(tmp_path: Path) -> None:
    store = MemoryStore()
    folder = write_files(tmp_path, **{"a.gz": b"1", "b.txt": b"2", "deep/c.gz": b"3", "raw/d.gz": b"4"})
    upload(store, folder, "c", UploadOptions(include=["*.gz"], exclude=["raw"]))
    assert sorted(store.objects) == ["a.gz", "deep/c.gz"]


def test_glob_names_files_by_the_path_below_the_last_folder_without_a_wildcard(tmp_path: Path) -> None:
    store = MemoryStore()
    write_files(tmp_path, **{"x/a.gz": b"1", "x/b.txt": b"2", "y/c.gz": b"3"})
    upload(store, f"{tmp_path}/*/*.gz", "c", UploadOptions(prefix="p"))
    assert sorted(store.objects) == ["p/x/a.gz", "p/y/c.gz"]
    upload(store, f"{tmp_path}/**/*.txt", "c")
    assert "x/b.txt" in store.objects


def test_glob_that_matches_a_folder_selects_everything_in_it(tmp_path: Path) -> None:
    store = MemoryStore()
    upload(store, f"{write_files(tmp_path, **{'day-1/a': b'1', 'day-2/deep/b': b'2', 'other/c': b'3'})}/day-*", "c")
    assert sorted(store.objects) == ["day-1/a", "day-2/deep/b"]


@pytest.mark.parametrize("place", ["nowhere", "*.none"])
def test_upload_of_a_missing_source_is_an_error(tmp_path: Path, place: str) -> None:
    with pytest.raises(StoreError, match=r"no such file or folder|matches no file"):
        upload(MemoryStore(), tmp_path / place, "c")


# ---- deletion of objects whose files are gone


def test_upload_deletes_nothing_by_default(tmp_path: Path) -> None:
    store = MemoryStore(old=b"1")
    upload(store, write_files(tmp_path, new=b"2"), "c")
    assert sorted(store.objects) == ["new", "old"]


def test_delete_removes_objects_without_a_file_below_the_prefix_only(tmp_path: Path) -> None:
    store = MemoryStore(**{"p/old": b"1", "p/keep": b"2", "pq": b"3", "other": b"4"})
    assert upload(
        store, write_files(tmp_path, keep=b"2"), "c", UploadOptions(prefix="p", delete=True)
    ) == TransferReport(0, 0, 1, deleted=1)
    assert sorted(store.objects) == ["other", "p/keep", "pq"]


def test_delete_keeps_objects_that_the_upload_excludes(tmp_path: Path) -> None:
    store = MemoryStore(**{"a.tmp": b"1", "b.gz": b"2"})
    upload(store, write_files(tmp_path, **{"c.gz": b"3"}), "c", UploadOptions(exclude=["*.tmp"], delete=True))
    assert sorted(store.objects) == ["a.tmp", "c.gz"]


def test_delete_keeps_results_of_trainings(tmp_path: Path) -> None:
    mark = f"{RESULT_FILE.partition('/')[0]}/.dlaas-training"
    store = MemoryStore(**{RESULT_FILE: b"1", mark: b"{}", "old": b"2", "training-set000001/x": b"4"})
    upload(store, write_files(tmp_path, new=b"3"), "c", UploadOptions(delete=True))
    assert sorted(store.objects) == ["new", mark, RESULT_FILE]
    upload(store, tmp_path, "c", UploadOptions(prefix=RESULT_FILE.rpartition("/")[0], delete=True))
    assert RESULT_FILE in store.objects


def test_delete_removes_nothing_if_the_upload_fails(tmp_path: Path) -> None:
    store = MemoryStore(old=b"1")
    with pytest.raises(StoreFull):
        upload(store, write_files(tmp_path, full=b"2"), "c", UploadOptions(delete=True))
    assert sorted(store.objects) == ["old"]


def test_delete_removes_nothing_if_the_source_is_empty(tmp_path: Path) -> None:
    """An empty source is more often a disk that is not mounted."""
    store = MemoryStore(old=b"1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingSelected, match="there is no file in it"):
        upload(store, tmp_path / "empty", "c", UploadOptions(delete=True))
    with pytest.raises(StoreError, match="1 objects would be deleted"):
        upload(store, tmp_path / "empty", "c", UploadOptions(delete=True, allow_empty=True))
    assert sorted(store.objects) == ["old"]


# ---- plans


def test_plan_upload_returns_the_work_and_changes_nothing(tmp_path: Path) -> None:
    store = MemoryStore(same=b"abc", edited=b"abc", old=b"1")
    folder = write_files(tmp_path, same=b"abc", edited=b"abd", new=b"2")
    plan = plan_upload(store, folder, "c", UploadOptions(delete=True))
    assert isinstance(plan, UploadPlan)
    assert [one.name for one in plan.uploads] == ["edited", "new"]
    assert (plan.bytes, plan.unchanged, plan.deletions) == (4, 1, ("old",))
    assert not store.asked
    assert sorted(store.objects) == ["edited", "old", "same"]


# ---- disk space


def test_download_without_disk_space_fails_before_any_file_is_fetched(tmp_path: Path) -> None:
    store = MemoryStore()
    store.containers["c"]["huge"] = [Part(0, 2**62, "0" * 32, ("c_segments", "x"))]
    with pytest.raises(HostError, match="bytes of free space"):
        download(store, "c", tmp_path / "there")
    assert not [one for one in store.asked if one.startswith("huge@")]


def test_plan_of_an_upload_that_creates_its_container_has_every_file_and_creates_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    folder = write_files(tmp_path, a=b"abc", b=b"")
    for delete in (False, True):
        plan = plan_upload(store, folder, "new", UploadOptions(create_container=True, delete=delete))
        assert [one.name for one in plan.uploads] == ["a", "b"]
        assert (plan.creates_container, plan.unchanged, plan.deletions) == (True, 0, ())
    assert list(store.containers) == ["c"]
    assert not plan_upload(store, folder, "c", UploadOptions(create_container=True)).creates_container
    with pytest.raises(ContainerNotFound):
        plan_upload(store, folder, "new")
