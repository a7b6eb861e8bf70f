"""
Trees of files that nobody thought of, changed at random, sent and fetched through random trouble.

Beside the machine goes a model of what is stored: names and contents, no more. After every step the two are the same;
after one that failed, each object is what it was or what it was to become.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.sources import local
from airflow_dlaas.storage.sources.patterns import is_selected
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import (
    DownloadOptions,
    TransferReport,
    UploadOptions,
    UploadPlan,
    download,
    plan_upload,
    upload,
)
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.plan import folder_prefix
from tests.stored import contents, laid, lay, noise, orphans, settle
from tests.troublemaker import (
    CorruptReply,
    CorruptRequest,
    ExpireTokens,
    Fault,
    LoseReply,
    ResetReply,
    ResetRequest,
    Say,
    Troublemaker,
    Truncate,
)

QUICK = RetryPolicy(attempts=2, first_pause=0.001)

CUT = 1000
"""Bytes of a segment: what is larger than two is sent in some."""

SIZES = st.sampled_from([0, 1, 7, CUT - 1, CUT, CUT + 1, 2 * CUT - 1, 2 * CUT, 2 * CUT + 1, 3 * CUT, 5 * CUT + 7])

LETTERS = st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0")

FILES = st.builds(
    str.__add__,
    st.sampled_from(
        ["a", "é", "e\u0301", "100%", "%2F", "a b", " ", "#?&=", "日本", "+~'\"\\", "\n", "*[!a]", "-", "."]
    )
    | st.text(LETTERS, min_size=1, max_size=6),
    st.sampled_from([".x", ".y"]),
)
"""Names of files; by their end no folder has the same."""

FOLDERS = st.sampled_from(["", "d/", "ü %/", "d/dlaas/", "dlaas/3/"])

NAMES = st.builds(str.__add__, FOLDERS, FILES)

PREFIXES = st.sampled_from(["", "", "", "p", "p/q", "d/", "ü %"])

PATTERNS = st.lists(
    st.sampled_from(["*.x", "*.y", "d", "d/*", "dlaas", "a*", "[!a]*", "100%*"]), min_size=1, max_size=2
)

INCLUDE = st.none() | st.none() | PATTERNS

EXCLUDE: st.SearchStrategy[list[str]] = st.just([]) | st.just([]) | PATTERNS

CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["write", "edit", "edit back in time", "resize", "delete", "rename", "touch"]),
        st.integers(0, 99),
        NAMES,
        SIZES,
    ),
    min_size=1,
    max_size=4,
)
"""What to do, to which of the files that are there, and a name and a size where it takes them."""

FAULTS: st.SearchStrategy[tuple[str | None, Fault]] = st.one_of(
    st.tuples(
        st.sampled_from([None, "PUT", "GET", "HEAD", "POST", "DELETE"]),
        st.sampled_from([Say(503), Say(507), Say(400), LoseReply(), ExpireTokens(), ResetReply(0), ResetReply(30)]),
    ),
    st.tuples(st.just("GET"), st.sampled_from([Truncate(0), Truncate(50)])),
    st.tuples(
        st.just("PUT"), st.sampled_from([ResetRequest(0), ResetRequest(1), ResetRequest(500), CorruptRequest(0)])
    ),
)
"""A method, and what happens to such requests. A flipped bit only where there is a checksum."""

TIMES = st.sampled_from([1, 1, 2, 3, None])

SETTLED = 10 * 10**6
"""Nanoseconds until a change counts as old here, where the clocks of files are finer than anywhere else."""


def finished(folder: Path) -> dict[str, bytes]:
    """The files in *folder*, without those that are still being gathered."""
    return {name: content for name, content in laid(folder).items() if not name.endswith(".part")}


@dataclass(frozen=True)
class Ways:
    """The real store, and the way to it that leads through trouble."""

    direct: SwiftStore
    troubled: StoreConnection
    trouble: Troublemaker


@pytest.fixture
def ways(swift: StoreConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ways]:
    monkeypatch.setattr(local, "MTIME_RESOLUTION_NS", SETTLED)
    with Troublemaker(swift.auth_url) as trouble, SwiftStore.open(swift) as direct:
        yield Ways(direct, swift.model_copy(update={"auth_url": trouble.auth_url}), trouble)


class Trees(RuleBasedStateMachine):
    """A folder here, a container there, and what the latter has to hold."""

    ways: Ways

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.home = Path(self.open.enter_context(tempfile.TemporaryDirectory()))
        self.here = self.home / "here"
        self.here.mkdir()
        self.container = f"c-{uuid.uuid4().hex}"
        self.ways.direct.create_container(self.container)
        self.store = self.open.enter_context(SwiftStore.open(self.ways.troubled, retry_policy=QUICK))
        self.stored: dict[str, bytes] = {}
        self.fetched: set[str] = set()
        self.seed = 0
        self.known: Path | None = None
        self.failed = False

    def teardown(self) -> None:
        self.ways.trouble.calm()
        self.open.close()

    @initialize(remembering=st.booleans(), names=st.lists(st.tuples(NAMES, SIZES), min_size=2, max_size=8))
    def begin(self, remembering: bool, names: Sequence[tuple[str, int]]) -> None:
        self.known = self.home / "known.sqlite3" if remembering else None
        lay(self.here, {name: self.content(size) for name, size in names})

    # ---- what changes here and there

    def content(self, size: int) -> bytes:
        self.seed += 1
        return noise(size, self.seed)

    def edit(self, path: Path, *, back: bool) -> None:
        """Write another content of the same size, with the time of the one before if *back*."""
        status = path.stat()
        path.write_bytes(self.content(status.st_size))
        if back:
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    @rule(changes=CHANGES)
    def change(self, changes: Sequence[tuple[str, int, str, int]]) -> None:
        for what, number, name, size in changes:
            found = sorted(path for path in self.here.rglob("*") if path.is_file())
            if what == "write" or not found:
                lay(self.here, {name: self.content(size)})
                continue
            path = found[number % len(found)]
            match what:
                case "edit" | "edit back in time":
                    self.edit(path, back=what != "edit")
                case "resize":
                    path.write_bytes((path.read_bytes() + self.content(size))[:size])
                case "delete":
                    path.unlink()
                case "rename":
                    (self.here / name).parent.mkdir(parents=True, exist_ok=True)
                    path.replace(self.here / name)
                case "touch":
                    path.touch()

    @rule(prefix=PREFIXES, name=NAMES, size=SIZES)
    def somebody_stores(self, prefix: str, name: str, size: int) -> None:
        name, content = folder_prefix(prefix) + name, self.content(size)
        self.ways.direct.put(self.container, name, content)
        self.stored[name] = content

    # ---- uploads

    def becoming(
        self, prefix: str, include: Sequence[str] | None, exclude: Sequence[str], delete: bool
    ) -> dict[str, bytes]:
        """What the container is to hold after an upload."""
        folder = folder_prefix(prefix)
        sent = {
            folder + name: content for name, content in laid(self.here).items() if is_selected(name, include, exclude)
        }
        kept = {
            name: content
            for name, content in self.stored.items()
            if not (delete and name.startswith(folder) and is_selected(name[len(folder) :], include, exclude))
        }
        return kept | sent

    @rule(
        prefix=PREFIXES,
        include=INCLUDE,
        exclude=EXCLUDE,
        delete=st.booleans(),
        trouble=st.none() | FAULTS,
        skip=st.integers(0, 6),
        times=TIMES,
        edited=st.none() | st.integers(0, 99),
    )
    def upload(
        self,
        prefix: str,
        include: Sequence[str] | None,
        exclude: Sequence[str],
        delete: bool,
        trouble: tuple[str | None, Fault] | None,
        skip: int,
        times: int | None,
        edited: int | None,
    ) -> None:
        """Afterwards nothing is left to do, until a file is changed in a way that its size and time don't tell."""
        time.sleep(2 * SETTLED / 10**9)
        new = self.becoming(prefix, include, exclude, delete)
        filters = {"prefix": prefix, "include": include, "exclude": exclude, "delete": delete, "segment_size": CUT}
        filters["allow_empty"] = True
        emptied = delete and not any(is_selected(name, include, exclude) for name in laid(self.here))
        if emptied and new != self.stored:
            with pytest.raises(StoreError, match="no file to upload"):
                upload(self.store, self.here, self.container, UploadOptions(**filters))  # type: ignore[arg-type]
            return
        if trouble:
            self.ways.trouble.on(trouble[1], method=trouble[0], times=times, skip=skip)
        failed = False
        try:
            upload(
                self.store,
                self.here,
                self.container,
                UploadOptions(checksum_cache=ChecksumCache(self.known), **filters),
            )  # type: ignore[arg-type]
        except StoreError:
            failed = True
        self.ways.trouble.calm()
        if failed:
            assert trouble
            self.failed = True
            self.store.close()
            settle(self.ways.trouble)
            there = contents(self.ways.direct, self.container)
            for name in self.stored.keys() | new.keys() | there.keys():
                assert there.get(name) in (self.stored.get(name), new.get(name)), name
            self.stored = there
            return
        self.stored = new
        assert contents(self.ways.direct, self.container) == new
        assert self.failed or not orphans(self.ways.direct, self.container)
        sent = sorted(name for name in laid(self.here) if is_selected(name, include, exclude))
        again = {"checksum_cache": ChecksumCache(self.known), **filters}
        assert plan_upload(self.store, self.here, self.container, UploadOptions(**again)) == UploadPlan(
            (), len(sent), ()
        )  # type: ignore[arg-type]
        self.ways.trouble.clear()
        assert upload(self.store, self.here, self.container, UploadOptions(**again)) == TransferReport(0, 0, len(sent))  # type: ignore[arg-type]
        assert {one.method for one in self.ways.trouble.requests} <= {"GET", "HEAD"}
        if not sent or edited is None:
            return
        one = sent[edited % len(sent)]
        self.edit(self.here / one, back=True)
        self.stored[folder_prefix(prefix) + one] = content = (self.here / one).read_bytes()
        report = upload(self.store, self.here, self.container, UploadOptions(**again))  # type: ignore[arg-type]
        assert report == (
            TransferReport(1, len(content), len(sent) - 1) if content else TransferReport(0, 0, len(sent))
        )
        assert contents(self.ways.direct, self.container) == self.stored
        assert self.failed or not orphans(self.ways.direct, self.container)

    # ---- downloads

    @rule(
        prefix=PREFIXES,
        trouble=st.none() | FAULTS | st.just(("GET", CorruptReply(0))),
        skip=st.integers(3, 9),
        times=TIMES,
        edited=st.none() | st.integers(0, 99),
    )
    def download(
        self, prefix: str, trouble: tuple[str | None, Fault] | None, skip: int, times: int | None, edited: int | None
    ) -> None:
        """Into a folder that holds an older state, if it is not the first time; then mend a file there."""
        folder, there = folder_prefix(prefix), self.home / "there" / (prefix.replace("/", "-") or "all")
        new = {name[len(folder) :]: content for name, content in self.stored.items() if name.startswith(folder)}
        old = finished(there)
        again = {
            "prefix": prefix,
            "checksum_cache": ChecksumCache(self.known),
            "segment_size": CUT,
            "allow_empty": True,
        }
        if trouble:
            self.ways.trouble.on(trouble[1], method=trouble[0], times=times, skip=skip)
        try:
            download(self.store, self.container, there, DownloadOptions(**again))  # type: ignore[arg-type]
        except StoreError:
            assert trouble
            now = finished(there)
            for name in old.keys() | new.keys() | now.keys():
                assert now.get(name) in (old.get(name), new.get(name)), name
            return
        finally:
            self.ways.trouble.calm()
        assert finished(there) == old | new
        again["checksum_cache"] = ChecksumCache(self.known)
        assert download(self.store, self.container, there, DownloadOptions(**again)) == TransferReport(0, 0, len(new))  # type: ignore[arg-type]
        if not new or edited is None:
            return
        one = sorted(new)[edited % len(new)]
        self.edit(there / one, back=True)
        time.sleep(2 * SETTLED / 10**9)
        assert download(self.store, self.container, there, DownloadOptions(**again)).files == bool(new[one])  # type: ignore[arg-type]
        assert finished(there) == old | new


def test_trees_arrive_as_they_are_whatever_happens(ways: Ways) -> None:
    class Here(Trees):
        """Where the store of this test run is."""

    Here.ways = ways
    run_state_machine_as_test(
        Here,
        settings=settings(
            deadline=None,
            max_examples=15,
            stateful_step_count=10,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
