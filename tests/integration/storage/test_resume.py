"""
Large files that break off and are taken up again, are replaced by others, or are at two places at once.

A proxy breaks them off and counts what moves; what is really stored is looked at from beside it.
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
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.stores import REVEAL_SECRETS, StoreConnection
from airflow_dlaas.exceptions import Corrupted, DlaasError, HostError, ObjectNotFound, StoreError, StoreUnreachable
from airflow_dlaas.storage.body import CHUNK_SIZE
from airflow_dlaas.storage.object_store import ObjectLayout, Part
from airflow_dlaas.storage.segments import segment_container
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import Progress, TransferReport, delete_objects, download, upload
from airflow_dlaas.storage.transfer.part_file import PartFile
from tests.stored import contents, laid, lay, noise, orphans, segments, settle
from tests.troublemaker import ResetReply, ResetRequest, Say, StallReply, StallRequest, Troublemaker
from tests.waiting import PATIENCE, until

QUICK = RetryPolicy(attempts=2, first_pause=0.01)

KIB = 1024
CUT = 64 * KIB
"""Bytes of a segment here."""

THREADS = 8
"""Segments at a time: what is under way when it breaks off is lost, one for each."""

COUNT = 30
"""Segments of a large file here; a tenth of them are beyond the place where it breaks off."""

SIZE = COUNT * CUT - 1000


@pytest.fixture(scope="module")
def direct(swift: StoreConnection) -> Iterator[SwiftStore]:
    """A store that meets no trouble."""
    with SwiftStore.open(swift) as opened:
        yield opened


@pytest.fixture
def trouble(swift: StoreConnection) -> Iterator[Troublemaker]:
    with Troublemaker(swift.auth_url) as one:
        yield one


@pytest.fixture
def troubled(swift: StoreConnection, trouble: Troublemaker) -> StoreConnection:
    """The way into the store that leads through trouble."""
    return swift.model_copy(update={"auth_url": trouble.auth_url})


@pytest.fixture
def store(troubled: StoreConnection) -> Iterator[SwiftStore]:
    with SwiftStore.open(troubled, retry_policy=QUICK, read_timeout=PATIENCE) as opened:
        yield opened


@pytest.fixture
def container(direct: SwiftStore) -> str:
    name = f"c-{uuid.uuid4().hex}"
    direct.create_container(name)
    return name


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder to send, with one large file."""
    return lay(tmp_path / "here", {"large": noise(SIZE, "one")})


def send(store: SwiftStore, here: Path, container: str, cut: int = CUT, **more: object) -> TransferReport:
    return upload(store, here, container, segment_size=cut, threads=THREADS, **more)  # type: ignore[arg-type]


def fetch(store: SwiftStore, container: str, there: Path, **more: object) -> TransferReport:
    return download(store, container, there, segment_size=CUT, threads=THREADS, **more)  # type: ignore[arg-type]


CHILD = """
import json, sys
from pathlib import Path
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import download, upload

order = json.load(sys.stdin)
store = SwiftStore.open(StoreConnection.model_validate(order["connection"]))
folder, container = Path(order["folder"]), order["container"]

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

def move(verb, folder, container):
    if verb == "upload":
        return upload(store, folder, container, segment_size=order["cut"])
    return download(store, container, folder, segment_size=order["cut"])

if order["warm"]:
    move(order["verb"], Path(order["warm"]), container)
before = peak()
report = move(order["verb"], folder, container)
print(json.dumps([report.bytes, (peak() - before) * 1024]))
"""
"""Another process that moves a folder, and says how many bytes that were and by how many its memory grew."""


@contextlib.contextmanager
def another(
    verb: str, connection: StoreConnection, container: str, folder: Path, cut: int = CUT, warm: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process of its own at it, killed with -9 at the end if it is still there."""
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


# ---- uploads that break off

LAST = re.compile(r"_segments/.*/000000(2[7-9])$")
"""The last tenth of the segments."""


def test_an_upload_that_broke_off_is_taken_up_where_it_was(
    store: SwiftStore, trouble: Troublemaker, direct: SwiftStore, container: str, here: Path
) -> None:
    trouble.on(ResetRequest(1000), method="PUT", path=LAST, times=None)
    with pytest.raises(StoreUnreachable):
        send(store, here, container)
    store.close()
    settle(trouble)
    assert not contents(direct, container)
    there = sum(segments(direct, container).values())
    trouble.calm()
    trouble.clear()
    assert send(store, here, container) == TransferReport(1, SIZE - there, 0)
    assert trouble.sent(method="PUT", path="_segments") == SIZE - there <= SIZE // 10 + THREADS * CUT
    assert [one.path for one in trouble.requests if one.method == "PUT"][-1].endswith(
        "multipart-manifest=put&heartbeat=on"
    )
    assert contents(direct, container) == laid(here)
    assert not orphans(direct, container)


def test_an_upload_whose_process_was_killed_is_taken_up_by_another(
    swift: StoreConnection,
    store: SwiftStore,
    trouble: Troublemaker,
    direct: SwiftStore,
    container: str,
    tmp_path: Path,
) -> None:
    """With segments of a MiB, as large as some in use."""
    cut, count = KIB**2, 20
    here = lay(tmp_path / "here", {"large": noise(count * cut, "mib")})
    with Troublemaker(swift.auth_url) as last:  # with it ends what the kernel has taken from the process for sending
        last.on(StallRequest(100_000), method="PUT", path=re.compile("/0000001[89]$"), times=None)
        through = swift.model_copy(update={"auth_url": last.auth_url})
        with another("upload", through, container, here, cut=cut):
            until(lambda: (last.stalled, len(segments(direct, container))), lambda seen: seen == (2, count - 2))
    assert not contents(direct, container)
    assert send(store, here, container, cut) == TransferReport(1, 2 * cut, 0)
    assert trouble.sent(method="PUT", path="_segments") == 2 * cut
    assert contents(direct, container) == laid(here)
    assert not orphans(direct, container)


def test_of_a_file_that_changed_after_an_attempt_only_what_changed_is_sent(
    store: SwiftStore, trouble: Troublemaker, direct: SwiftStore, container: str, here: Path
) -> None:
    old = noise(SIZE, "old")
    direct.put(container, "large", old)
    trouble.on(Say(503), method="PUT", path=LAST, times=None)
    with pytest.raises(StoreUnreachable):
        send(store, here, container)
    store.close()
    settle(trouble)
    there = sum(segments(direct, container).values())
    changed = bytearray((here / "large").read_bytes())
    changed[5 * CUT : 7 * CUT] = noise(2 * CUT, "changed")
    (here / "large").write_bytes(changed)
    trouble.calm()
    trouble.clear()
    trouble.on(Say(503), path="multipart-manifest=put", times=None)
    with pytest.raises(StoreUnreachable):
        send(store, here, container)
    assert trouble.sent(method="PUT", path="_segments") == SIZE - there + 2 * CUT
    assert contents(direct, container) == {"large": old}
    trouble.calm()
    trouble.clear()
    send(store, here, container)
    assert not trouble.sent(method="PUT", path="_segments")
    assert contents(direct, container) == laid(here)
    assert not orphans(direct, container)


def test_a_segment_that_arrived_damaged_is_not_taken_up(
    store: SwiftStore, trouble: Troublemaker, direct: SwiftStore, container: str, here: Path
) -> None:
    trouble.on(Say(503), method="PUT", path=LAST, times=None)
    with pytest.raises(StoreUnreachable):
        send(store, here, container)
    trouble.calm()
    name, size = sorted(segments(direct, container).items())[3]
    direct.put(segment_container(container), name, noise(size, "damage"))
    send(store, here, container)
    assert contents(direct, container) == laid(here)
    assert not orphans(direct, container)


@pytest.mark.parametrize("size", [1000, SIZE])
def test_a_file_that_is_written_while_it_is_sent_is_not_stored_as_it_never_was(
    direct: SwiftStore, container: str, tmp_path: Path, size: int
) -> None:
    """A small one is stored as it is then; a large one has to be let be."""
    here = lay(tmp_path / "here", {"changing": noise(size, "one"), "first": noise(size + CUT, "first")})
    direct.put(container, "changing", b"before")
    longer = noise(size + 500, "two")

    def change(progress: Progress) -> None:
        if progress.bytes_done and (here / "changing").stat().st_size == size:
            (here / "changing").write_bytes(longer)

    def sending() -> TransferReport:
        return upload(direct, here, container, segment_size=CUT, threads=1, progress=change)

    if size == SIZE:
        with pytest.raises(Corrupted, match="was written while it was being sent"):
            sending()
        assert contents(direct, container)["changing"] == b"before"
    else:
        sending()
        assert contents(direct, container)["changing"] == longer
    send(direct, here, container)
    assert contents(direct, container) == laid(here)
    assert not orphans(direct, container)


# ---- what replaces what


def test_large_and_small_replace_each_other_and_leave_nothing_behind(
    direct: SwiftStore, container: str, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    for size in (3 * CUT, 10, 5 * CUT, 4 * CUT, 2 * CUT, 3 * CUT + 1, 0, 3 * CUT):
        send(direct, lay(here, {"a": noise(size, size)}), container)
        assert contents(direct, container) == laid(here)
        assert len(segments(direct, container)) == (-(-size // CUT) if size > 2 * CUT else 0)


@pytest.mark.parametrize("way", ["remove", "upload"])
def test_what_is_deleted_takes_its_segments_along(direct: SwiftStore, container: str, tmp_path: Path, way: str) -> None:
    here = lay(tmp_path / "here", {"p/a": noise(3 * CUT, 1), "p/b": noise(3 * CUT, 2), "pp": noise(3 * CUT, 3)})
    send(direct, here, container)
    if way == "remove":
        assert list(delete_objects(direct, container, prefix="p")) == ["p/a", "p/b"]
    else:
        only = lay(tmp_path / "only", {"c": noise(3 * CUT, 4)})
        assert send(direct, only, container, prefix="p", exclude=["a"], delete=True).deleted == 1
        assert send(direct, only, container, prefix="p", delete=True).deleted == 1
        delete_objects(direct, container, names=["p/c"])
    assert contents(direct, container).keys() == {"pp"}
    assert len(segments(direct, container)) == 3


FEW = 6
"""Segments of a file that two are at."""


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two folders with one name and two contents."""
    return [lay(tmp_path / f"{number}", {"large": noise(FEW * CUT, number)}) for number in range(2)]


def ending(
    store: SwiftStore, folder: Path, container: str, ended: list[TransferReport | DlaasError]
) -> threading.Thread:
    """A thread that sends *folder*, and notes how that ended."""

    def run() -> None:
        try:
            ended.append(send(store, folder, container))
        except DlaasError as error:
            ended.append(error)

    return threading.Thread(target=run)


def test_two_uploads_of_one_name_at_once_leave_the_one_or_the_other(
    swift: StoreConnection, direct: SwiftStore, container: str, pair: list[Path]
) -> None:
    for _ in range(5):
        ended: list[TransferReport | DlaasError] = []
        with SwiftStore.open(swift, retry_policy=QUICK) as first, SwiftStore.open(swift, retry_policy=QUICK) as second:
            threads = [ending(store, here, container, ended) for store, here in zip((first, second), pair, strict=True)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert any(isinstance(one, TransferReport) for one in ended)
        assert all(isinstance(one, (TransferReport, Corrupted)) for one in ended), ended
        assert contents(direct, container)["large"] in [laid(folder)["large"] for folder in pair]
        lay(pair[0], {"large": noise(FEW * CUT, uuid.uuid4())})
    send(direct, pair[1], container)
    assert contents(direct, container) == laid(pair[1])


def test_an_upload_whose_segments_another_one_deleted_says_so(
    store: SwiftStore, trouble: Troublemaker, direct: SwiftStore, container: str, pair: list[Path]
) -> None:
    trouble.on(StallRequest(1000), method="PUT", path=re.compile("/00000005$"))
    ended: list[TransferReport | DlaasError] = []
    slow = ending(store, pair[0], container, ended)
    slow.start()
    until(lambda: (trouble.stalled, len(segments(direct, container))), lambda seen: seen == (1, FEW - 1))
    send(direct, pair[1], container)
    trouble.release()
    slow.join()
    assert isinstance(ended[0], Corrupted)
    assert "Did another upload write the same object" in str(ended[0])
    assert contents(direct, container) == laid(pair[1])
    send(store, pair[0], container)
    assert contents(direct, container) == laid(pair[0])
    assert not orphans(direct, container)


def test_an_upload_that_ends_while_another_tidies_up_is_whole(
    swift: StoreConnection,
    store: SwiftStore,
    trouble: Troublemaker,
    direct: SwiftStore,
    container: str,
    pair: list[Path],
) -> None:
    """What the other found superfluous may be what an object consists of when it comes to deleting it."""
    ended: list[TransferReport | DlaasError] = []
    with Troublemaker(swift.auth_url) as others:
        through = swift.model_copy(update={"auth_url": others.auth_url})
        with SwiftStore.open(through, retry_policy=QUICK, read_timeout=PATIENCE) as other:
            first, second = ending(store, pair[0], container, ended), ending(other, pair[1], container, ended)
            trouble.on(StallRequest(1000), method="PUT", path=re.compile("/00000005$"))
            first.start()
            until(lambda: (trouble.stalled, len(segments(direct, container))), lambda seen: seen == (1, FEW - 1))
            others.on(StallRequest(10), method="POST", path="bulk-delete")
            second.start()
            until(lambda: others.stalled, lambda stalled: stalled == 1)
            trouble.release()
            first.join()
            others.release()
            second.join()
    assert [type(one) for one in ended] == [TransferReport, TransferReport]
    assert contents(direct, container) == laid(pair[1])


# ---- downloads that break off


@pytest.fixture(params=["segments", "one piece"])
def stored(request: pytest.FixtureRequest, direct: SwiftStore, container: str, here: Path) -> str:
    """How the large file is stored."""
    way: str = request.param
    put(direct, container, way, here)
    return way


def put(direct: SwiftStore, container: str, way: str, here: Path) -> None:
    if way == "segments":
        send(direct, here, container)
    else:
        direct.put(container, "large", here / "large")


def replied(trouble: Troublemaker) -> int:
    """Bytes of content that were fetched."""
    return sum(one.reply_bytes for one in trouble.requests if one.method == "GET" and one.path.endswith("/large"))


GETS = re.compile("/large$")


def test_a_download_that_broke_off_fetches_only_what_is_missing(
    store: SwiftStore, trouble: Troublemaker, container: str, here: Path, tmp_path: Path, stored: str
) -> None:
    there = lay(tmp_path / "there", {"large": b"before"})
    trouble.on(ResetReply(100), method="GET", path=GETS, times=None, skip=COUNT * 9 // 10)
    with pytest.raises(StoreUnreachable):
        fetch(store, container, there)
    assert (there / "large").read_bytes() == b"before"
    trouble.calm()
    trouble.clear()
    fetch(store, container, there)
    assert 0 < replied(trouble) <= SIZE // 10 + THREADS * CUT
    assert laid(there) == laid(here)


def test_a_part_goes_on_where_it_broke_off(
    store: SwiftStore, trouble: Troublemaker, direct: SwiftStore, container: str, tmp_path: Path
) -> None:
    here = lay(tmp_path / "here", {"large": noise(5 * KIB**2, "mib")})
    send(direct, here, container, KIB**2)
    trouble.on(ResetReply(900 * KIB), method="GET", path=GETS, times=5)
    fetch(store, container, tmp_path / "there")
    assert 5 * KIB**2 <= replied(trouble) <= 5 * KIB**2 + 5 * CHUNK_SIZE
    assert laid(tmp_path / "there") == laid(here)


def test_while_a_process_is_at_it_another_is_told_and_goes_on_after_its_end(
    troubled: StoreConnection,
    store: SwiftStore,
    trouble: Troublemaker,
    direct: SwiftStore,
    container: str,
    here: Path,
    tmp_path: Path,
    stored: str,
) -> None:
    there = tmp_path / "there"
    trouble.on(StallReply(100), method="GET", path=GETS, times=None, skip=COUNT * 9 // 10)
    with another("download", troubled, container, there):
        until(lambda: trouble.stalled, lambda stalled: stalled == COUNT - COUNT * 9 // 10)
        with pytest.raises(HostError, match="by another process"):
            fetch(direct, container, there)
    settle(trouble)
    assert not (there / "large").exists()
    trouble.calm()
    trouble.clear()
    fetch(store, container, there)
    assert 0 < replied(trouble) <= SIZE // 10 + THREADS * CUT
    assert laid(there) == laid(here)


def test_an_object_that_is_replaced_while_it_is_fetched_is_never_a_mixture(
    direct: SwiftStore, container: str, here: Path, tmp_path: Path, stored: str
) -> None:
    there = lay(tmp_path / "there", {"large": b"before"})
    replaced = False

    def replace(progress: Progress) -> None:
        nonlocal replaced
        if not replaced:
            replaced = True
            lay(here, {"large": noise(SIZE, "two")})
            put(direct, container, stored, here)

    with pytest.raises(StoreError, match="was replaced while it was being fetched"):
        fetch(direct, container, there, progress=replace)
    assert (there / "large").read_bytes() == b"before"
    fetch(direct, container, there)
    assert laid(there) == laid(here)


def test_an_object_that_is_deleted_while_it_is_fetched_is_said_to_be_gone(
    direct: SwiftStore, container: str, tmp_path: Path, stored: str
) -> None:
    there = lay(tmp_path / "there", {"large": b"before"})
    with pytest.raises(ObjectNotFound):
        fetch(direct, container, there, progress=lambda _: delete_objects(direct, container))
    assert (there / "large").read_bytes() == b"before"


@pytest.mark.parametrize("damage", ["flipped", "shorter", "longer", "marks"])
def test_what_became_of_the_parts_that_are_there_is_noticed(
    store: SwiftStore, trouble: Troublemaker, container: str, here: Path, tmp_path: Path, stored: str, damage: str
) -> None:
    there = tmp_path / "there"
    trouble.on(ResetReply(100), method="GET", path=GETS, times=None, skip=COUNT // 2)
    with pytest.raises(StoreUnreachable):
        fetch(store, container, there)
    (part,) = there.iterdir()
    content = bytearray(part.read_bytes())
    if damage == "flipped":
        content[12_345] ^= 1
    elif damage == "marks":
        content[SIZE:] = b"\1" * COUNT
    part.write_bytes(content[:-1] if damage == "shorter" else content + b"\1" if damage == "longer" else content)
    trouble.calm()
    fetch(store, container, there)
    assert laid(there) == laid(here)


def test_names_that_begin_alike_do_not_disturb_each_other(direct: SwiftStore, container: str, tmp_path: Path) -> None:
    long = "x" * 245  # beyond 200 letters the same, and in parts too long for what is added to them
    names = ["m", "m.data", "m.data.part", ".m", "m*", "[m]", f"{long}1", f"{long}2", "日" * 80, "m.00-5.part"]
    here = lay(tmp_path / "here", {name: noise(5 * CUT, "same") for name in names})
    send(direct, here, container)
    fetch(direct, container, tmp_path / "there")
    assert laid(tmp_path / "there") == laid(here)


def test_what_another_has_just_finished_is_not_taken_for_an_unfinished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that opens the part file a moment before another one makes it the target."""
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


def test_memory_stays_flat(swift: StoreConnection, direct: SwiftStore, container: str, tmp_path: Path) -> None:
    size, cut = 200 * KIB**2, 8 * KIB**2
    few = lay(tmp_path / "few", {"warm": noise(3 * cut, "warm")})
    here = lay(tmp_path / "here", {"large": noise(KIB**2, "large") * (size // KIB**2)})
    for verb, folder in (("upload", here), ("download", tmp_path / "there")):
        with another(verb, swift, container, folder, cut=cut, warm=few) as process:
            said, _ = process.communicate(timeout=120)
        moved, grown = json.loads(said)
        assert moved >= size
        assert grown < 60 * KIB**2
    assert (tmp_path / "there" / "large").read_bytes() == (here / "large").read_bytes()
