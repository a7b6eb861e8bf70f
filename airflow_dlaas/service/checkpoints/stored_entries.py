"""The entries of checkpoints: what is stored, and what is to be stored. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest, EntryKind, ManifestEntry
from airflow_dlaas.service.checkpoints.snapshot import Entry, FoundFile
from airflow_dlaas.service.checkpoints.staging import StagedFile
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE

Found = tuple[FoundFile, ...]
"""A state of a top-level entry: equal for the same state."""


@dataclass(frozen=True, slots=True)
class CheckpointTarget:
    """Where the checkpoints of an attempt are stored."""

    container: str
    training_id: str
    attempt: int
    kept: int
    """Complete checkpoints that stay."""
    open_store: Callable[[], AbstractContextManager[ObjectStore]]
    before_first: Callable[[ObjectStore], None]
    """Called before the first object is stored."""
    segment_size: int = DEFAULT_SEGMENT_SIZE


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A complete state of a top-level entry, all of whose contents are in the store."""

    found: Found
    manifest: tuple[ManifestEntry, ...]
    """As they are in a manifest, in the order of `found`."""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A complete state of a top-level entry that is to be stored."""

    entry: Entry
    staged: tuple[StagedFile, ...]
    """Its files whose contents may have to be sent."""
    before: StoredEntry | None = None
    """The state that counts if the command writes the entry while it is being sent."""
    is_required: bool = False
    """Whether there is no checkpoint without it: the attempt began with it."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint that was stored."""

    manifest: CheckpointManifest
    entries: Mapping[str, StoredEntry]
    """By top-level name."""
    sent_files: int = 0
    sent_bytes: int = 0

    @property
    def state(self) -> dict[str, Found]:
        """The state of CHECKPOINT_DIR that it has."""
        return state_of(self.entries)


def manifest_entry(found: FoundFile, md5: str | None = None, object_name: str | None = None) -> ManifestEntry:
    """Return the entry of a manifest for what was found."""
    return ManifestEntry(
        path=found.path,
        kind=found.kind,
        mode=found.mode,
        mtime_ns=found.mtime_ns,
        size=found.size,
        md5=md5,
        object_name=object_name,
        target=found.target,
    )


def is_restored(found: FoundFile, entry: ManifestEntry | None) -> bool:
    """Whether *found* is what was restored of *entry*; the times of folders and links are not restored exactly."""
    if entry is None or (found.kind, found.size, found.target) != (entry.kind, entry.size, entry.target):
        return False
    return found.kind is not EntryKind.FILE or found.mtime_ns == entry.mtime_ns


def state_of(entries: Mapping[str, StoredEntry]) -> dict[str, Found]:
    """Return the state of CHECKPOINT_DIR that consists of *entries*."""
    return {name: one.found for name, one in entries.items()}
