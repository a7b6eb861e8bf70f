"""
Transfers of random trees of files through random faults.

The test keeps a model of the container: names and contents. After every step the container is equal to the model. After
a failed step, each object has either its content from before or its new content.
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
from airflow_dlaas.contract.patterns import is_selected
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.sources import local
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
from tests.fault_proxy import (
    CorruptReply,
    CorruptRequest,
    ExpireTokens,
    Fault,
    FaultProxy,
    LoseReply,
    ResetReply,
    ResetRequest,
    SendReply,
    Truncate,
)
from tests.stored import contents, orphans, random_bytes, read_tree, wait_until_disconnected, write_tree

QUICK = RetryPolicy(attempts=2, first_pause=0.001)

SEGMENT_SIZE = 1000
"""Bytes of a segment: a file of more than two is sent in segments."""

MethodFault = tuple[str | None, Fault]

SIZES = st.sampled_from(
    [
        0,
        1,
        7,
        SEGMENT_SIZE - 1,
        SEGMENT_SIZE,
        SEGMENT_SIZE + 1,
        2 * SEGMENT_SIZE - 1,
        2 * SEGMENT_SIZE,
        2 * SEGMENT_SIZE + 1,
        3 * SEGMENT_SIZE,
        5 * SEGMENT_SIZE + 7,
    ]
)

LETTERS = st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0")

FILES = st.builds(
    str.__add__,
    st.sampled_from(
        ["a", "é", "e\u0301", "100%", "%2F", "a b", " ", "#?&=", "日本", "+~'\"\\", "\n", "*[!a]", "-", "."]
    )
    | st.text(LETTERS, min_size=1, max_size=6),
    st.sampled_from([".x", ".y"]),
)
"""Names of files; no folder has one of these endings."""

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
"""Changes: the action, the index of an existing file, and a name and a size for the actions that need them."""

FAULTS: st.SearchStrategy[MethodFault] = st.one_of(
    st.tuples(
        st.sampled_from([None, "PUT", "GET", "HEAD", "POST", "DELETE"]),
        st.sampled_from(
            [SendReply(503), SendReply(507), SendReply(400), LoseReply(), ExpireTokens(), ResetReply(0), ResetReply(30)]
        ),
    ),
    st.tuples(st.just("GET"), st.sampled_from([Truncate(0), Truncate(50)])),
    st.tuples(
        st.just("PUT"), st.sampled_from([ResetRequest(0), ResetRequest(1), ResetRequest(500), CorruptRequest(0)])
    ),
)
"""A method, and a fault of requests with it. Bits are flipped only where there is a checksum."""

MTIME_RESOLUTION_NS = 10 * 10**6
"""Nanoseconds until a change counts as old in this test: the times of files have a fine resolution here."""


@dataclass(frozen=True)
class FaultPlan:
    """A fault in some of the requests of one transfer."""

    method: str | None
    """The method of the requests; None means all."""
    fault: Fault
    skip: int
    """Requests before the first fault."""
    times: int | None
    """Requests with the fault; None means all."""


def fault_plans(faults: st.SearchStrategy[MethodFault], min_skip: int, max_skip: int) -> st.SearchStrategy[FaultPlan]:
    """Make plans with one of *faults*, which begins after a random number of requests."""
    times = st.sampled_from([1, 1, 2, 3, None])
    return st.builds(
        lambda fault, skip, times: FaultPlan(*fault, skip, times), faults, st.integers(min_skip, max_skip), times
    )


UPLOAD_FAULTS = st.none() | fault_plans(FAULTS, 0, 6)

DOWNLOAD_FAULTS = st.none() | fault_plans(FAULTS | st.just(("GET", CorruptReply(0))), 3, 9)


def complete_files(folder: Path) -> dict[str, bytes]:
    """Return the files in *folder*, without part files."""
    return {name: content for name, content in read_tree(folder).items() if not name.endswith(".part")}


@dataclass(frozen=True)
class Connections:
    """The real store, and the connection to it through the proxy that makes faults."""

    direct: SwiftStore
    through_proxy: SwiftStoreConnection
    proxy: FaultProxy


@pytest.fixture
def connections(swift: SwiftStoreConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connections]:
    monkeypatch.setattr(local, "MTIME_RESOLUTION_NS", MTIME_RESOLUTION_NS)
    with FaultProxy(swift.auth_url) as proxy, SwiftStore.open(swift) as direct:
        yield Connections(direct, swift.model_copy(update={"auth_url": proxy.auth_url}), proxy)


class Trees(RuleBasedStateMachine):
    """A local folder, a container, and the model of the container."""

    connections: Connections

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        self.root = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        self.local = self.root / "here"
        self.local.mkdir()
        self.container = f"c-{uuid.uuid4().hex}"
        self.connections.direct.create_container(self.container)
        self.store = self.resources.enter_context(SwiftStore.open(self.connections.through_proxy, retry_policy=QUICK))
        self.stored: dict[str, bytes] = {}
        self.seed = 0
        self.cache_file: Path | None = None
        self.failed = False

    def teardown(self) -> None:
        self.connections.proxy.calm()
        self.resources.close()

    @initialize(with_cache=st.booleans(), names=st.lists(st.tuples(NAMES, SIZES), min_size=2, max_size=8))
    def begin(self, with_cache: bool, names: Sequence[tuple[str, int]]) -> None:
        self.cache_file = self.root / "cache.sqlite3" if with_cache else None
        write_tree(self.local, {name: self.content(size) for name, size in names})

    # ---- changes of the folder and of the container

    def set_fault(self, plan: FaultPlan | None) -> None:
        if plan:
            self.connections.proxy.on(plan.fault, method=plan.method, times=plan.times, skip=plan.skip)

    def content(self, size: int) -> bytes:
        self.seed += 1
        return random_bytes(size, self.seed)

    def edit(self, path: Path, *, keep_mtime: bool) -> None:
        """Write another content of the same size; with *keep_mtime*, restore the modification time."""
        status = path.stat()
        path.write_bytes(self.content(status.st_size))
        if keep_mtime:
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    @rule(changes=CHANGES)
    def change(self, changes: Sequence[tuple[str, int, str, int]]) -> None:
        for action, number, name, size in changes:
            found = sorted(path for path in self.local.rglob("*") if path.is_file())
            if action == "write" or not found:
                write_tree(self.local, {name: self.content(size)})
                continue
            path = found[number % len(found)]
            match action:
                case "edit" | "edit back in time":
                    self.edit(path, keep_mtime=action != "edit")
                case "resize":
                    path.write_bytes((path.read_bytes() + self.content(size))[:size])
                case "delete":
                    path.unlink()
                case "rename":
                    (self.local / name).parent.mkdir(parents=True, exist_ok=True)
                    path.replace(self.local / name)
                case "touch":
                    path.touch()

    @rule(prefix=PREFIXES, name=NAMES, size=SIZES)
    def other_program_stores(self, prefix: str, name: str, size: int) -> None:
        name, content = folder_prefix(prefix) + name, self.content(size)
        self.connections.direct.put(self.container, name, content)
        self.stored[name] = content

    # ---- uploads

    def expected_after_upload(
        self, prefix: str, include: Sequence[str] | None, exclude: Sequence[str], delete: bool
    ) -> dict[str, bytes]:
        """Return the content of the container after an upload."""
        folder = folder_prefix(prefix)
        sent = {
            folder + name: content
            for name, content in read_tree(self.local).items()
            if is_selected(name, include, exclude)
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
        fault_plan=UPLOAD_FAULTS,
        edited=st.none() | st.integers(0, 99),
    )
    def upload(
        self,
        prefix: str,
        include: Sequence[str] | None,
        exclude: Sequence[str],
        delete: bool,
        fault_plan: FaultPlan | None,
        edited: int | None,
    ) -> None:
        """A second upload has no work, until a file changes without a change of its size and modification time."""
        time.sleep(2 * MTIME_RESOLUTION_NS / 10**9)
        new = self.expected_after_upload(prefix, include, exclude, delete)
        filters = {
            "prefix": prefix,
            "include": include,
            "exclude": exclude,
            "delete": delete,
            "segment_size": SEGMENT_SIZE,
        }
        filters["allow_empty"] = True
        is_empty = delete and not any(is_selected(name, include, exclude) for name in read_tree(self.local))
        if is_empty and new != self.stored:
            with pytest.raises(StoreError, match="no file to upload"):
                upload(self.store, self.local, self.container, UploadOptions(**filters))  # type: ignore[arg-type]
            return
        self.set_fault(fault_plan)
        failed = False
        try:
            upload(
                self.store,
                self.local,
                self.container,
                UploadOptions(checksum_cache=ChecksumCache(self.cache_file), **filters),
            )  # type: ignore[arg-type]
        except StoreError:
            failed = True
        self.connections.proxy.calm()
        if failed:
            assert fault_plan
            self.failed = True
            self.store.close()
            wait_until_disconnected(self.connections.proxy)
            found = contents(self.connections.direct, self.container)
            for name in self.stored.keys() | new.keys() | found.keys():
                assert found.get(name) in (self.stored.get(name), new.get(name)), name
            self.stored = found
            return
        self.stored = new
        assert contents(self.connections.direct, self.container) == new
        assert self.failed or not orphans(self.connections.direct, self.container)
        sent = sorted(name for name in read_tree(self.local) if is_selected(name, include, exclude))
        again = {"checksum_cache": ChecksumCache(self.cache_file), **filters}
        assert plan_upload(self.store, self.local, self.container, UploadOptions(**again)) == UploadPlan(
            (), len(sent), ()
        )  # type: ignore[arg-type]
        self.connections.proxy.clear()
        assert upload(self.store, self.local, self.container, UploadOptions(**again)) == TransferReport(0, 0, len(sent))  # type: ignore[arg-type]
        assert {one.method for one in self.connections.proxy.requests} <= {"GET", "HEAD"}
        if not sent or edited is None:
            return
        one = sent[edited % len(sent)]
        self.edit(self.local / one, keep_mtime=True)
        self.stored[folder_prefix(prefix) + one] = content = (self.local / one).read_bytes()
        report = upload(self.store, self.local, self.container, UploadOptions(**again))  # type: ignore[arg-type]
        assert report == (
            TransferReport(1, len(content), len(sent) - 1) if content else TransferReport(0, 0, len(sent))
        )
        assert contents(self.connections.direct, self.container) == self.stored
        assert self.failed or not orphans(self.connections.direct, self.container)

    # ---- downloads

    @rule(
        prefix=PREFIXES,
        fault_plan=DOWNLOAD_FAULTS,
        edited=st.none() | st.integers(0, 99),
    )
    def download(self, prefix: str, fault_plan: FaultPlan | None, edited: int | None) -> None:
        """Download into a folder with the files of an earlier step; then restore a file that was changed there."""
        folder, target = folder_prefix(prefix), self.root / "downloads" / (prefix.replace("/", "-") or "all")
        new = {name[len(folder) :]: content for name, content in self.stored.items() if name.startswith(folder)}
        old = complete_files(target)
        again = {
            "prefix": prefix,
            "checksum_cache": ChecksumCache(self.cache_file),
            "segment_size": SEGMENT_SIZE,
            "allow_empty": True,
        }
        self.set_fault(fault_plan)
        try:
            download(self.store, self.container, target, DownloadOptions(**again))  # type: ignore[arg-type]
        except StoreError:
            assert fault_plan
            found = complete_files(target)
            for name in old.keys() | new.keys() | found.keys():
                assert found.get(name) in (old.get(name), new.get(name)), name
            return
        finally:
            self.connections.proxy.calm()
        assert complete_files(target) == old | new
        again["checksum_cache"] = ChecksumCache(self.cache_file)
        assert download(self.store, self.container, target, DownloadOptions(**again)) == TransferReport(0, 0, len(new))  # type: ignore[arg-type]
        if not new or edited is None:
            return
        one = sorted(new)[edited % len(new)]
        self.edit(target / one, keep_mtime=True)
        time.sleep(2 * MTIME_RESOLUTION_NS / 10**9)
        assert download(self.store, self.container, target, DownloadOptions(**again)).files == bool(new[one])  # type: ignore[arg-type]
        assert complete_files(target) == old | new


def test_transfers_of_random_trees_match_the_model_under_faults(connections: Connections) -> None:
    class ConnectedTrees(Trees):
        """The machine with the store of this test run."""

    ConnectedTrees.connections = connections
    run_state_machine_as_test(
        ConnectedTrees,
        settings=settings(
            deadline=None,
            max_examples=15,
            stateful_step_count=10,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
