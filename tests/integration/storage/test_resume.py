"""
Transfers of large files that are interrupted and resumed, replaced, or run twice at the same time.

A proxy interrupts them and counts the bytes. The tests read the store directly to check what is stored.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.stores import REVEAL_SECRETS, SwiftStoreConnection
from airflow_dlaas.exceptions import Corrupted, DlaasError, HostError, ObjectNotFound, StoreError, StoreUnreachable
from airflow_dlaas.storage.body import CHUNK_SIZE
from airflow_dlaas.storage.object_store import ObjectLayout, Part
from airflow_dlaas.storage.swift.segment_names import segment_container
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import (
    DownloadOptions,
    Progress,
    TransferReport,
    UploadOptions,
    delete_objects,
    download,
    upload,
)
from airflow_dlaas.storage.transfer.part_file import PartFile
from tests.fault_proxy import FaultProxy, ResetReply, ResetRequest, SendReply, StallReply, StallRequest
from tests.stored import contents, orphans, random_bytes, read_tree, segments, wait_until_disconnected, write_tree
from tests.waiting import WAIT_TIMEOUT, until

FAST_RETRIES = RetryPolicy(attempts=2, first_pause=0.01)

KIB = 1024
SEGMENT = 64 * KIB
"""Bytes of a segment in these tests."""

THREADS = 8
"""Segments that are transferred at the same time; an interruption loses them."""

SEGMENT_COUNT = 30
"""Segments of a large file in these tests; a tenth of them come after the interruption."""

SIZE = SEGMENT_COUNT * SEGMENT - 1000


@pytest.fixture(scope="module")
def direct(swift: SwiftStoreConnection) -> Iterator[SwiftStore]:
    """A store without the proxy."""
    with SwiftStore.open(swift) as opened:
        yield opened


@pytest.fixture
def proxy(swift: SwiftStoreConnection) -> Iterator[FaultProxy]:
    with FaultProxy(swift.auth_url) as one:
        yield one


@pytest.fixture
def proxied(swift: SwiftStoreConnection, proxy: FaultProxy) -> SwiftStoreConnection:
    """A connection to the store that passes through the proxy."""
    return swift.model_copy(update={"auth_url": proxy.auth_url})


@pytest.fixture
def store(proxied: SwiftStoreConnection) -> Iterator[SwiftStore]:
    with SwiftStore.open(proxied, retry_policy=FAST_RETRIES, read_timeout=WAIT_TIMEOUT) as opened:
        yield opened


@pytest.fixture
def container(direct: SwiftStore) -> str:
    name = f"c-{uuid.uuid4().hex}"
    direct.create_container(name)
    return name


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with one large file."""
    return write_tree(tmp_path / "here", {"large": random_bytes(SIZE, "one")})


def send(store: SwiftStore, here: Path, container: str, cut: int = SEGMENT, **more: object) -> TransferReport:
    return upload(store, here, container, UploadOptions(segment_size=cut, threads=THREADS, **more))  # type: ignore[arg-type]


def fetch(store: SwiftStore, container: str, there: Path, **more: object) -> TransferReport:
    return download(store, container, there, DownloadOptions(segment_size=SEGMENT, threads=THREADS, **more))  # type: ignore[arg-type]


CHILD = """
import json, sys
from pathlib import Path
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.storage.swift.segment_names import segment_container
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import DownloadOptions, UploadOptions, download, upload

order = json.load(sys.stdin)
store = SwiftStore.open(SwiftStoreConnection.model_validate(order["connection"]))
folder, container = Path(order["folder"]), order["container"]

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

def move(verb, folder, container):
    if verb == "upload":
        return upload(store, folder, container, UploadOptions(segment_size=order["cut"]))
    return download(store, container, folder, DownloadOptions(segment_size=order["cut"]))

if order["warm"]:
    move(order["verb"], Path(order["warm"]), container)
before = peak()
report = move(order["verb"], folder, container)
print(json.dumps([report.bytes, (peak() - before) * 1024]))
"""
"""A program that transfers a folder, and prints the number of bytes and the growth of its memory."""


@contextlib.contextmanager
def other_process(
    verb: str,
    connection: SwiftStoreConnection,
    container: str,
    folder: Path,
    cut: int = SEGMENT,
    warm: Path | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Transfer *folder* in another process, which is killed with SIGKILL at the end if it still runs."""
    order = {
        "verb": verb,
        "connection": connection.model_dump(by_alias=True, context=REVEAL_SECRETS, exclude_none=True),
        "container": container,
        "folder": str(folder),
        "cut": cut,
        "warm": str(warm) if warm else "",
    }
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(order))
        process.stdin.close()
        process.stdin = None
        try:
            yield process
        finally:
            process.kill()


# ---- interrupted uploads

LAST = re.compile(r"_segments/.*/000000(2[7-9])$")
"""The last tenth of the segments."""


def test_upload_resumes_after_a_failure(
    store: SwiftStore, proxy: FaultProxy, direct: SwiftStore, container: str, here: Path
) -> None:
    proxy.on(ResetRequest(1000), method="PUT", path=LAST, times=None)
    with pytest.raises(StoreUnreachable):
        send(store, here, container)
    store.close()
    wait_until_disconnected(proxy)
    assert not contents(direct, container)
    there = sum(segments(direct, container).values())
    proxy.calm()
    proxy.clear()
    assert send(store, here, container) == TransferReport(1, SIZE - there, 0)
    assert proxy.sent(method="PUT", path="_segments") == SIZE - there <= SIZE // 10 + THREADS * SEGMENT
    assert [one.path for one in proxy.requests if one.method == "PUT"][-1].endswith(
        "multipart-manifest=put&heartbeat=on"
    )
    assert contents(direct, container) == read_tree(here)
    assert not orphans(direct, container)


def test_upload_of_a_killed_process_is_resumed_by_another_process(
    swift: SwiftStoreConnection,
    store: SwiftStore,
    proxy: FaultProxy,
    direct: SwiftStore,
    container: str,
    tmp_path: Path,
) -> None:
    """With segments of 1 MiB, a realistic size."""
    cut, count = KIB**2, 20
    here = write_tree(tmp_path / "here", {"large": random_bytes(count * cut, "mib")})
    with FaultProxy(swift.auth_url) as last:  # its end discards what the kernel accepted from the process for sending
        last.on(StallRequest(100_000), method="PUT", path=re.compile("/0000001[89]$"), times=None)
        through = swift.model_copy(update={"auth_url": last.auth_url})
        with other_process("upload", through, container, here, cut=cut):
            until(lambda: (last.stalled, len(segments(direct, container))), lambda seen: seen == (2, count - 2))
    assert not contents(direct, container)
    assert send(store, here, container, cut) == TransferReport(1, 2 * cut, 0)
    assert proxy.sent(method="PUT", path="_segments") == 2 * cut
    assert contents(direct, container) == read_tree(here)
    assert not orphans(direct, container)


def test_upload_of_a_changed_file_sends_only_changed_segments(
    store: SwiftStore, proxy: FaultProxy, direct: SwiftStore, container: str, here: Path
) -> None:
    old = random_bytes(SIZE, "old")
    direct.put(container, "large", old)
    proxy.on(SendReply(503), method="PUT", path=LAST, times=None)
    with pytest.raises(StoreUnreachable):
        send(store, here, container)
    store.close()
    wait_until_disconnected(proxy)
    there = sum(segments(direct, container).values())
    changed = bytearray((here / "large").read_bytes())
    changed[5 * SEGMENT : 7 * SEGMENT] = random_bytes(2 * SEGMENT, "changed")
    (here / "large").write_bytes(changed)
    proxy.calm()
    proxy.clear()
    proxy.on(SendReply(503), path="multipart-manifest=put", times=None)
    with pytest.raises(StoreUnreachable):
        send(store, here, container)
    assert proxy.sent(method="PUT", path="_segments") == SIZE - there + 2 * SEGMENT
    assert contents(direct, container) == {"large": old}
    proxy.calm()
    proxy.clear()
    send(store, here, container)
    assert not proxy.sent(method="PUT", path="_segments")
    assert contents(direct, container) == read_tree(here)
    assert not orphans(direct, container)


def test_damaged_segment_is_not_reused(
    store: SwiftStore, proxy: FaultProxy, direct: SwiftStore, container: str, here: Path
) -> None:
    proxy.on(SendReply(503), method="PUT", path=LAST, times=None)
    with pytest.raises(StoreUnreachable):
        send(store, here, container)
    proxy.calm()
    name, size = sorted(segments(direct, container).items())[3]
    direct.put(segment_container(container), name, random_bytes(size, "damage"))
    send(store, here, container)
    assert contents(direct, container) == read_tree(here)
    assert not orphans(direct, container)


@pytest.mark.parametrize("size", [1000, SIZE])
def test_file_written_during_its_upload_is_not_stored_in_a_mixed_state(
    direct: SwiftStore, container: str, tmp_path: Path, size: int
) -> None:
    """A small file is stored with its new content; the upload of a large file fails."""
    here = write_tree(
        tmp_path / "here", {"changing": random_bytes(size, "one"), "first": random_bytes(size + SEGMENT, "first")}
    )
    direct.put(container, "changing", b"before")
    longer = random_bytes(size + 500, "two")

    def change(progress: Progress) -> None:
        if progress.bytes_done and (here / "changing").stat().st_size == size:
            (here / "changing").write_bytes(longer)

    def sending() -> TransferReport:
        return upload(direct, here, container, UploadOptions(segment_size=SEGMENT, threads=1, progress=change))

    if size == SIZE:
        with pytest.raises(Corrupted, match="was written while it was being sent"):
            sending()
        assert contents(direct, container)["changing"] == b"before"
    else:
        sending()
        assert contents(direct, container)["changing"] == longer
    send(direct, here, container)
    assert contents(direct, container) == read_tree(here)
    assert not orphans(direct, container)


def test_large_upload_sends_no_request_beyond_listings_segments_and_manifest(
    store: SwiftStore, proxy: FaultProxy, container: str, here: Path
) -> None:
    send(store, here, container)
    (here / "large").write_bytes(random_bytes(SIZE, "two"))
    store.limits()
    proxy.clear()
    send(store, here, container)
    # Both listings; the layout for the comparison, of the replaced object, and of the object that replaces it.
    assert methods(proxy) == {"GET": 2 + 3, "HEAD": 3, "PUT": SEGMENT_COUNT + 1, "POST": 1}
    proxy.clear()
    send(store, here, container)
    assert methods(proxy) == {"GET": 1 + 1, "HEAD": 1}
    delete_objects(store, container)
    proxy.clear()
    send(store, here, container)
    assert methods(proxy) == {"GET": 2, "PUT": SEGMENT_COUNT + 1}


def methods(proxy: FaultProxy) -> Counter[str]:
    """The number of requests of each method."""
    return Counter(one.method for one in proxy.requests)


# ---- objects that replace each other, and concurrent uploads


def test_large_and_small_objects_replace_each_other_without_orphan_segments(
    direct: SwiftStore, container: str, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    for size in (3 * SEGMENT, 10, 5 * SEGMENT, 4 * SEGMENT, 2 * SEGMENT, 3 * SEGMENT + 1, 0, 3 * SEGMENT):
        send(direct, write_tree(here, {"a": random_bytes(size, size)}), container)
        assert contents(direct, container) == read_tree(here)
        assert len(segments(direct, container)) == (-(-size // SEGMENT) if size > 2 * SEGMENT else 0)


@pytest.mark.parametrize("way", ["remove", "upload"])
def test_deletion_includes_the_segments(direct: SwiftStore, container: str, tmp_path: Path, way: str) -> None:
    here = write_tree(
        tmp_path / "here",
        {"p/a": random_bytes(3 * SEGMENT, 1), "p/b": random_bytes(3 * SEGMENT, 2), "pp": random_bytes(3 * SEGMENT, 3)},
    )
    send(direct, here, container)
    if way == "remove":
        assert list(delete_objects(direct, container, prefix="p")) == ["p/a", "p/b"]
    else:
        only = write_tree(tmp_path / "only", {"c": random_bytes(3 * SEGMENT, 4)})
        assert send(direct, only, container, prefix="p", exclude=["a"], delete=True).deleted == 1
        assert send(direct, only, container, prefix="p", delete=True).deleted == 1
        delete_objects(direct, container, names=["p/c"])
    assert contents(direct, container).keys() == {"pp"}
    assert len(segments(direct, container)) == 3


FEW_SEGMENTS = 6
"""Segments of a file that two uploads send at the same time."""


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two folders with a file of the same name and different content."""
    return [
        write_tree(tmp_path / f"{number}", {"large": random_bytes(FEW_SEGMENTS * SEGMENT, number)})
        for number in range(2)
    ]


def upload_thread(
    store: SwiftStore, folder: Path, container: str, results: list[TransferReport | DlaasError]
) -> threading.Thread:
    """Return a thread that uploads *folder*, and appends its report or error to *results*."""

    def run() -> None:
        try:
            results.append(send(store, folder, container))
        except DlaasError as error:
            results.append(error)

    return threading.Thread(target=run)


def test_two_concurrent_uploads_of_one_name_store_one_of_the_files(
    swift: SwiftStoreConnection, direct: SwiftStore, container: str, pair: list[Path]
) -> None:
    for _ in range(5):
        results: list[TransferReport | DlaasError] = []
        with (
            SwiftStore.open(swift, retry_policy=FAST_RETRIES) as first,
            SwiftStore.open(swift, retry_policy=FAST_RETRIES) as second,
        ):
            threads = [
                upload_thread(store, here, container, results)
                for store, here in zip((first, second), pair, strict=True)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert any(isinstance(one, TransferReport) for one in results)
        assert all(isinstance(one, (TransferReport, Corrupted)) for one in results), results
        assert contents(direct, container)["large"] in [read_tree(folder)["large"] for folder in pair]
        write_tree(pair[0], {"large": random_bytes(FEW_SEGMENTS * SEGMENT, uuid.uuid4())})
    send(direct, pair[1], container)
    assert contents(direct, container) == read_tree(pair[1])


def test_upload_whose_segments_were_deleted_by_another_upload_fails(
    store: SwiftStore, proxy: FaultProxy, direct: SwiftStore, container: str, pair: list[Path]
) -> None:
    proxy.on(StallRequest(1000), method="PUT", path=re.compile("/00000005$"))
    results: list[TransferReport | DlaasError] = []
    slow = upload_thread(store, pair[0], container, results)
    slow.start()
    until(lambda: (proxy.stalled, len(segments(direct, container))), lambda seen: seen == (1, FEW_SEGMENTS - 1))
    send(direct, pair[1], container)
    proxy.release()
    slow.join()
    assert isinstance(results[0], Corrupted)
    assert "Did another upload write the same object" in str(results[0])
    assert contents(direct, container) == read_tree(pair[1])
    send(store, pair[0], container)
    assert contents(direct, container) == read_tree(pair[0])
    assert not orphans(direct, container)


def test_upload_that_ends_while_another_deletes_segments_is_complete(
    swift: SwiftStoreConnection,
    store: SwiftStore,
    proxy: FaultProxy,
    direct: SwiftStore,
    container: str,
    pair: list[Path],
) -> None:
    """A segment that the other upload wants to delete may belong to an object when it deletes it."""
    results: list[TransferReport | DlaasError] = []
    with FaultProxy(swift.auth_url) as others:
        through = swift.model_copy(update={"auth_url": others.auth_url})
        with SwiftStore.open(through, retry_policy=FAST_RETRIES, read_timeout=WAIT_TIMEOUT) as other:
            first = upload_thread(store, pair[0], container, results)
            second = upload_thread(other, pair[1], container, results)
            proxy.on(StallRequest(1000), method="PUT", path=re.compile("/00000005$"))
            first.start()
            until(
                lambda: (proxy.stalled, len(segments(direct, container))),
                lambda seen: seen == (1, FEW_SEGMENTS - 1),
            )
            others.on(StallRequest(10), method="POST", path="bulk-delete")
            second.start()
            until(lambda: others.stalled, lambda stalled: stalled == 1)
            proxy.release()
            first.join()
            others.release()
            second.join()
    assert [type(one) for one in results] == [TransferReport, TransferReport]
    assert contents(direct, container) == read_tree(pair[1])


# ---- interrupted downloads


@pytest.fixture(params=["segments", "one piece"])
def stored(request: pytest.FixtureRequest, direct: SwiftStore, container: str, here: Path) -> str:
    """The form in which the large file is stored."""
    way: str = request.param
    put(direct, container, way, here)
    return way


def put(direct: SwiftStore, container: str, way: str, here: Path) -> None:
    if way == "segments":
        send(direct, here, container)
    else:
        direct.put(container, "large", here / "large")


def bytes_replied(proxy: FaultProxy) -> int:
    """The number of bytes of content that were fetched."""
    return sum(one.reply_bytes for one in proxy.requests if one.method == "GET" and one.path.endswith("/large"))


GETS = re.compile("/large$")


def test_download_resumes_and_fetches_only_missing_parts(
    store: SwiftStore, proxy: FaultProxy, container: str, here: Path, tmp_path: Path, stored: str
) -> None:
    there = write_tree(tmp_path / "there", {"large": b"before"})
    proxy.on(ResetReply(100), method="GET", path=GETS, times=None, skip=SEGMENT_COUNT * 9 // 10)
    with pytest.raises(StoreUnreachable):
        fetch(store, container, there)
    assert (there / "large").read_bytes() == b"before"
    proxy.calm()
    proxy.clear()
    fetch(store, container, there)
    assert 0 < bytes_replied(proxy) <= SIZE // 10 + THREADS * SEGMENT
    assert read_tree(there) == read_tree(here)


def test_part_download_resumes_within_the_part(
    store: SwiftStore, proxy: FaultProxy, direct: SwiftStore, container: str, tmp_path: Path
) -> None:
    here = write_tree(tmp_path / "here", {"large": random_bytes(5 * KIB**2, "mib")})
    send(direct, here, container, KIB**2)
    proxy.on(ResetReply(900 * KIB), method="GET", path=GETS, times=5)
    fetch(store, container, tmp_path / "there")
    assert 5 * KIB**2 <= bytes_replied(proxy) <= 5 * KIB**2 + 5 * CHUNK_SIZE
    assert read_tree(tmp_path / "there") == read_tree(here)


def test_download_of_another_process_is_refused_and_resumed_after_its_end(
    proxied: SwiftStoreConnection,
    store: SwiftStore,
    proxy: FaultProxy,
    direct: SwiftStore,
    container: str,
    here: Path,
    tmp_path: Path,
    stored: str,
) -> None:
    there = tmp_path / "there"
    proxy.on(StallReply(100), method="GET", path=GETS, times=None, skip=SEGMENT_COUNT * 9 // 10)
    with other_process("download", proxied, container, there):
        until(lambda: proxy.stalled, lambda stalled: stalled == SEGMENT_COUNT - SEGMENT_COUNT * 9 // 10)
        with pytest.raises(HostError, match="by another process"):
            fetch(direct, container, there)
    wait_until_disconnected(proxy)
    assert not (there / "large").exists()
    proxy.calm()
    proxy.clear()
    fetch(store, container, there)
    assert 0 < bytes_replied(proxy) <= SIZE // 10 + THREADS * SEGMENT
    assert read_tree(there) == read_tree(here)


def test_object_replaced_during_its_download_is_never_mixed(
    direct: SwiftStore, container: str, here: Path, tmp_path: Path, stored: str
) -> None:
    there = write_tree(tmp_path / "there", {"large": b"before"})
    replaced = False

    def replace(progress: Progress) -> None:
        nonlocal replaced
        if not replaced:
            replaced = True
            write_tree(here, {"large": random_bytes(SIZE, "two")})
            put(direct, container, stored, here)

    with pytest.raises(StoreError, match="was replaced while it was being fetched"):
        fetch(direct, container, there, progress=replace)
    assert (there / "large").read_bytes() == b"before"
    fetch(direct, container, there)
    assert read_tree(there) == read_tree(here)


def test_object_deleted_during_its_download_is_reported_as_not_found(
    direct: SwiftStore, container: str, tmp_path: Path, stored: str
) -> None:
    there = write_tree(tmp_path / "there", {"large": b"before"})
    with pytest.raises(ObjectNotFound):
        fetch(direct, container, there, progress=lambda _: delete_objects(direct, container))
    assert (there / "large").read_bytes() == b"before"


@pytest.mark.parametrize("damage", ["flipped", "shorter", "longer", "marks"])
def test_damaged_part_file_is_detected(
    store: SwiftStore, proxy: FaultProxy, container: str, here: Path, tmp_path: Path, stored: str, damage: str
) -> None:
    there = tmp_path / "there"
    proxy.on(ResetReply(100), method="GET", path=GETS, times=None, skip=SEGMENT_COUNT // 2)
    with pytest.raises(StoreUnreachable):
        fetch(store, container, there)
    (part,) = there.iterdir()
    content = bytearray(part.read_bytes())
    if damage == "flipped":
        content[12_345] ^= 1
    elif damage == "marks":
        content[SIZE:] = b"\1" * SEGMENT_COUNT
    part.write_bytes(content[:-1] if damage == "shorter" else content + b"\1" if damage == "longer" else content)
    proxy.calm()
    fetch(store, container, there)
    assert read_tree(there) == read_tree(here)


def test_downloads_of_similar_names_do_not_interfere(direct: SwiftStore, container: str, tmp_path: Path) -> None:
    long = "x" * 245  # equal up to more than 200 letters, and too long for the suffix of a part file
    names = ["m", "m.data", "m.data.part", ".m", "m*", "[m]", f"{long}1", f"{long}2", "日" * 80, "m.00-5.part"]
    here = write_tree(tmp_path / "here", {name: random_bytes(5 * SEGMENT, "same") for name in names})
    send(direct, here, container)
    fetch(direct, container, tmp_path / "there")
    assert read_tree(tmp_path / "there") == read_tree(here)


def test_part_file_that_another_process_has_just_committed_is_not_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process opens the part file directly before another process renames it to the target."""
    target, shape, parts = tmp_path / "large", ObjectLayout(10, "etag", None), [Part(0, 10)]
    first = PartFile(target, shape, parts)
    assert first.missing_parts() == [0]

    def finish_first(handle: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        first.write(0, b"0123456789")
        first.mark_done(0)
        first.commit()
        lock(handle, operation)

    lock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", finish_first)
    with contextlib.suppress(HostError):
        second = PartFile(target, shape, parts)
        second.missing_parts()
        second.close()
    assert target.read_bytes() == b"0123456789"


# ---- memory


def test_transfer_memory_does_not_grow_with_the_file_size(
    swift: SwiftStoreConnection, direct: SwiftStore, container: str, tmp_path: Path
) -> None:
    size, cut = 200 * KIB**2, 8 * KIB**2
    few = write_tree(tmp_path / "few", {"warm": random_bytes(3 * cut, "warm")})
    here = write_tree(tmp_path / "here", {"large": random_bytes(KIB**2, "large") * (size // KIB**2)})
    for verb, folder in (("upload", here), ("download", tmp_path / "there")):
        with other_process(verb, swift, container, folder, cut=cut, warm=few) as process:
            output, _ = process.communicate(timeout=120)
        moved, grown = json.loads(output)
        assert moved >= size
        assert grown < 60 * KIB**2
    assert (tmp_path / "there" / "large").read_bytes() == (here / "large").read_bytes()
