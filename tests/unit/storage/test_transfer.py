"""Transfers, against a store in memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest

from airflow_dlaas.errors import ContainerNotFound, ObjectNotFound, StoreError, StoreFull
from airflow_dlaas.storage.objects import Advance, ObjectStore, StoredObject
from airflow_dlaas.storage.transfer import Progress, Report, download, upload


class MemoryStore:
    """One container, called ``c``. Refuses objects called ``full``."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = dict(objects)
        self.asked: list[str] = []

    def check(self, container: str) -> None:
        if container != "c":
            raise ContainerNotFound(container)

    def containers(self) -> Sequence[str]:
        return ["c"]

    def create_container(self, name: str) -> None: ...

    def list(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        self.check(container)
        for name, content in sorted(self.objects.items()):
            if name.startswith(prefix):
                md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
                yield StoredObject(name, len(content), md5, datetime(2026, 1, 1, tzinfo=timezone.utc))

    def put(
        self,
        container: str,  # noqa: ARG002
        name: str,
        source: Path | bytes,
        *,
        md5: str | None = None,
        content_type: str | None = None,  # noqa: ARG002
        advance: Advance | None = None,
    ) -> str:
        self.asked.append(name)
        if name.endswith("full"):
            raise StoreFull(name)
        content = source if isinstance(source, bytes) else source.read_bytes()
        if advance:
            advance(len(content))
        self.objects[name] = content
        return md5 or ""

    def get(  # one container is all there is
        self,
        container: str,  # noqa: ARG002
        name: str,
        destination: Path,
        *,
        advance: Advance | None = None,
    ) -> int:
        self.asked.append(name)
        destination.write_bytes(self.objects[name])
        if advance:
            advance(len(self.objects[name]))
        return len(self.objects[name])

    def delete(self, container: str, names: Iterable[str]) -> None: ...


def lay(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_the_store_of_these_tests_is_one() -> None:
    store: ObjectStore = MemoryStore()
    assert store.containers()


def test_a_folder_goes_up_with_everything_in_it(tmp_path: Path) -> None:
    store = MemoryStore()
    lay(tmp_path, **{"a": b"1", "deep/er/b": b"22", ".hidden": b"", "link": b""})
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("a")
    assert upload(store, tmp_path, "c", prefix="data") == Report(4, 4, 0)
    assert store.objects == {"data/a": b"1", "data/deep/er/b": b"22", "data/.hidden": b"", "data/link": b"1"}


def test_one_file_goes_up_under_its_own_name_and_named_ones_under_theirs(tmp_path: Path) -> None:
    store = MemoryStore()
    lay(tmp_path, a=b"1")
    upload(store, tmp_path / "a", "c")
    upload(store, {"other/name": tmp_path / "a"}, "c")
    assert store.objects == {"a": b"1", "other/name": b"1"}


def test_what_did_not_change_is_not_sent(tmp_path: Path) -> None:
    store = MemoryStore(same=b"abc", edited=b"abc", longer=b"abc", foreign=b"abc")
    report = upload(store, lay(tmp_path, same=b"abc", edited=b"abd", longer=b"abcd"), "c")
    assert report == Report(files=2, bytes=7, skipped=1)
    assert sorted(store.asked) == ["edited", "longer"]
    assert "foreign" in store.objects


def test_what_is_here_already_is_not_fetched(tmp_path: Path) -> None:
    store = MemoryStore(same=b"abc", edited=b"abc", missing=b"abc")
    report = download(store, "c", lay(tmp_path, same=b"abc", edited=b"abd"))
    assert report == Report(files=2, bytes=6, skipped=1)
    assert sorted(store.asked) == ["edited", "missing"]
    assert (tmp_path / "edited").read_bytes() == b"abc"


def test_a_folder_of_the_store_comes_down_without_its_prefix(tmp_path: Path) -> None:
    store = MemoryStore(**{"run/model/a": b"1", "run/model/b/c": b"2", "run/models": b"3"})
    assert download(store, "c", tmp_path / "new", prefix="run/model") == Report(2, 2, 0)
    assert {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*")} == {"a", "b", "b/c"}


def test_a_name_that_is_not_there_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    store = MemoryStore(a=b"1")
    with pytest.raises(ObjectNotFound, match="'b'"):
        download(store, "c", tmp_path, names=["a", "b"])
    assert not store.asked


def test_a_name_that_climbs_out_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    store = MemoryStore(**{"a": b"1", "../evil": b"2"})
    with pytest.raises(StoreError, match=r"'\.\./evil'"):
        download(store, "c", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_link_that_lies_in_the_destination_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(StoreError, match="is a link that leaves"):
        download(MemoryStore(**{"sub/a": b"1"}), "c", tmp_path / "new")
    assert not list((tmp_path / "outside").iterdir())


def test_nothing_there_is_no_error_and_the_report_says_so(tmp_path: Path) -> None:
    assert download(MemoryStore(), "c", tmp_path) == Report(0, 0, 0)
    assert upload(MemoryStore(), tmp_path, "c") == Report(0, 0, 0)


@pytest.mark.parametrize("files", [{}, {"a": b"1"}])
def test_a_missing_container_is_said_even_when_there_is_nothing_to_send(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    with pytest.raises(ContainerNotFound):
        upload(MemoryStore(), lay(tmp_path, **files), "missing")


@pytest.mark.parametrize("name", ["missing", "dangling", "folder"])
def test_what_cannot_be_sent_is_said_before_anything_is(tmp_path: Path, name: str) -> None:
    store = MemoryStore()
    folder = lay(tmp_path / "here", a=b"1")
    (folder / "dangling").symlink_to("nowhere")
    if name == "folder":
        (folder / "dangling").unlink()
        (folder / "link").symlink_to(tmp_path)
    with pytest.raises(StoreError, match=r"cannot be read|is a link to a folder"):
        upload(store, folder if name != "missing" else tmp_path / "missing", "c")
    assert not store.asked


def test_the_first_failure_ends_the_whole_and_is_the_one_told(tmp_path: Path) -> None:
    store = MemoryStore()
    files = {"full": b"x" * 10, **{f"{number}": b"" for number in range(200)}}
    with pytest.raises(StoreFull):
        upload(store, lay(tmp_path, **files), "c", threads=1)
    assert store.asked[0] == "full"
    assert len(store.asked) < 10


def test_progress_adds_up_and_tells_of_skipped_files_as_done(tmp_path: Path) -> None:
    seen: list[Progress] = []
    upload(MemoryStore(a=b"1"), lay(tmp_path, a=b"1", b=b"22", c=b""), "c", progress=seen.append)
    assert seen[-1] == Progress(3, 3, 3, 3)
    assert [one.bytes_done for one in seen] == sorted(one.bytes_done for one in seen)


def test_an_error_of_the_progress_ends_the_transfer(tmp_path: Path) -> None:
    def refuse(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(MemoryStore(), lay(tmp_path, a=b"1"), "c", progress=refuse)


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    upload(MemoryStore(), lay(tmp_path, **{f"{number}": b"x" for number in range(50)}), "c")
    assert threading.active_count() == before
