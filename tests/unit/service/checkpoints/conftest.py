"""A keeper whose looks are calls, with a store in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_dlaas.contract.attempts import ResumedFrom
from airflow_dlaas.service.checkpoints.keeper import CheckpointKeeper
from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest, EntryKind, parse_manifest_name
from airflow_dlaas.service.checkpoints.staging import StagingFolder
from airflow_dlaas.service.checkpoints.store_checkpoint import CheckpointSender
from airflow_dlaas.service.checkpoints.stored_entries import CheckpointTarget, StoredCheckpoint
from tests.memory_store import MemoryStore

ID = "training-x"
SEGMENT_SIZE = 16


def run_at_once(function: Callable[[], None]) -> Future[None]:
    """Run *function* here; return the finished future."""
    future: Future[None] = Future()
    try:
        future.set_result(function())
    except Exception as error:  # noqa: BLE001  (as in a thread)
        future.set_exception(error)
    return future


class Kept:
    """CHECKPOINT_DIR, its keeper and the store. Each call of `look` is a second later."""

    def __init__(
        self, tmp_path: Path, store: MemoryStore, *, attempt: int = 1, kept: int = 2, resumed: ResumedFrom | None = None
    ) -> None:
        self.folder = tmp_path / "checkpoints"
        self.folder.mkdir(exist_ok=True)
        self.staging = tmp_path / "staging"
        self.store = store
        self.begun = 0
        self.checkpoints: list[StoredCheckpoint] = []
        self.failures: list[str] = []
        self.skips: list[Mapping[str, str]] = []
        self.now = 0.0
        target = CheckpointTarget("c", ID, attempt, kept, self.open_store, self.begin, SEGMENT_SIZE)
        self.keeper = CheckpointKeeper(
            self.folder,
            StagingFolder(self.staging),
            CheckpointSender(target),
            self,
            resumed_from=resumed,
            clock=lambda: self.now,
            start=run_at_once,
        )

    @contextmanager
    def open_store(self) -> Iterator[MemoryStore]:
        yield self.store

    def begin(self, _store: object) -> None:
        self.begun += 1

    def stored(self, checkpoint: StoredCheckpoint, seconds: float) -> None:
        assert seconds >= 0
        self.checkpoints.append(checkpoint)

    def failed(self, reason: str) -> None:
        self.failures.append(reason)

    def skipped(self, skipped: Mapping[str, str]) -> None:
        self.skips.append(skipped)

    def look(self, count: int = 1) -> None:
        for _ in range(count):
            self.now += 1
            self.keeper.look()

    def write(self, name: str, content: str) -> Path:
        """Write a file in place."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            file.write(content)
        return path

    def rename_into_place(self, name: str, content: str) -> None:
        """Write a file under another name, long enough ago, and rename it."""
        other = self.write(f"{name}.tmp", content)
        os.utime(other, ns=(10**9, 10**9))
        other.rename(self.folder / name)

    def manifests(self) -> dict[tuple[int, int], CheckpointManifest]:
        found = {}
        for name, content in self.store.objects.items():
            if (checkpoint := parse_manifest_name(ID, name)) is not None:
                found[checkpoint] = CheckpointManifest.model_validate_json(content)
        return found

    def newest(self) -> dict[str, str]:
        """The content of the newest checkpoint; every object of it is there and has the MD5 that it states."""
        manifests = self.manifests()
        manifest = manifests[max(manifests)]
        objects = self.store.objects
        return {
            one.path: objects[one.object_name or ""].decode() if one.kind is EntryKind.FILE else str(one.kind)
            for one in manifest.entries
        }

    def contents(self) -> list[str]:
        """The stored contents of files."""
        return sorted(one.decode() for name, one in self.store.objects.items() if "/content/" in name)


@pytest.fixture
def make_kept(tmp_path: Path) -> Iterator[Callable[..., Kept]]:
    """Makes a keeper with a store; the folder is the same for each call."""
    made: list[Kept] = []

    def make(store: MemoryStore | None = None, **options: object) -> Kept:
        kept = Kept(tmp_path, store or MemoryStore(), **options)  # type: ignore[arg-type]
        made.append(kept)
        return kept

    yield make
    for one in made:
        one.keeper.close()


@pytest.fixture
def kept(make_kept: Callable[..., Kept]) -> Kept:
    """A keeper of an empty folder."""
    return make_kept()
