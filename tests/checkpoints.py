"""Stored checkpoints, made by hand: what a learner stores during a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from airflow_dlaas.service.checkpoints.manifest import (
    CheckpointManifest,
    EntryKind,
    ManifestEntry,
    content_name,
    manifest_name,
)
from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.object_store import ObjectStore

STORED_AT = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)

MTIME_NS = 1_700_000_000_123_456_789


def file_entry(training_id: str, attempt: int, path: str, content: bytes) -> ManifestEntry:
    """Return the entry of a file whose content is stored by the attempt."""
    md5 = md5_of(content)
    name = content_name(training_id, attempt, md5, len(content))
    return ManifestEntry(path=path, size=len(content), md5=md5, object_name=name, mode=0o640, mtime_ns=MTIME_NS)


def folder_entry(path: str, mode: int = 0o755) -> ManifestEntry:
    """Return the entry of a folder."""
    return ManifestEntry(path=path, kind=EntryKind.FOLDER, mode=mode, mtime_ns=MTIME_NS)


def link_entry(path: str, target: str) -> ManifestEntry:
    """Return the entry of a symbolic link."""
    return ManifestEntry(path=path, kind=EntryKind.LINK, target=target, mtime_ns=MTIME_NS)


def manifest_of(
    training_id: str, attempt: int, number: int, files: Mapping[str, bytes], others: Sequence[ManifestEntry] = ()
) -> CheckpointManifest:
    """Return the manifest of a checkpoint with *files*, by path, and *others*."""
    entries = (*(file_entry(training_id, attempt, path, content) for path, content in files.items()), *others)
    return CheckpointManifest(
        training_id=training_id, attempt=attempt, number=number, stored_at=STORED_AT, entries=entries
    )


def store_manifest(store: ObjectStore, container: str, manifest: CheckpointManifest) -> None:
    """Store *manifest* without its contents."""
    name = manifest_name(manifest.training_id, manifest.attempt, manifest.number)
    store.put(container, name, manifest.model_dump_json().encode())


def store_checkpoint_by_hand(
    store: ObjectStore,
    container: str,
    training_id: str,
    attempt: int,
    number: int,
    files: Mapping[str, bytes],
    others: Sequence[ManifestEntry] = (),
) -> CheckpointManifest:
    """Store a checkpoint with *files*, by path, and *others*: contents first. Return its manifest."""
    manifest = manifest_of(training_id, attempt, number, files, others)
    for entry in manifest.entries:
        if entry.object_name is not None:
            store.put(container, entry.object_name, files[entry.path])
    store_manifest(store, container, manifest)
    return manifest
