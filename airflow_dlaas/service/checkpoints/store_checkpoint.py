"""Stores checkpoints: the contents that the store does not have yet, then the manifest; then it deletes older ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from airflow_dlaas.contract.attempts import ResumedFrom
from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.service.checkpoints.content_upload import (
    Digests,
    HashedFile,
    IsStopped,
    SendingStopped,
    hash_file,
    planned_segment_size,
    upload_contents,
)
from airflow_dlaas.service.checkpoints.manifest import (
    CheckpointManifest,
    EntryKind,
    content_name,
    manifest_name,
)
from airflow_dlaas.service.checkpoints.pruning import delete_abandoned_uploads, prune
from airflow_dlaas.service.checkpoints.retention import CheckpointId
from airflow_dlaas.service.checkpoints.snapshot import Entry, FoundFile
from airflow_dlaas.service.checkpoints.staging import FileIdentity, identity_of
from airflow_dlaas.service.checkpoints.stored_checkpoints import (
    StoredCheckpoints,
    list_checkpoints,
    object_names,
    read_manifest,
)
from airflow_dlaas.service.checkpoints.stored_entries import (
    CheckpointTarget,
    NewEntry,
    StoredCheckpoint,
    StoredEntry,
    is_restored,
    manifest_entry,
    state_of,
)
from airflow_dlaas.storage.object_store import ObjectStore


@dataclass(slots=True)
class CheckpointSender:
    """
    Stores the checkpoints of one attempt, one at a time. Not thread-safe.

    After an error, the next call lists the store again, and sends what is missing.
    """

    target: CheckpointTarget
    last: StoredCheckpoint | None = None
    """The newest one of this attempt."""
    restored: Mapping[str, StoredEntry] = field(default_factory=dict)
    """The entries that the attempt began with, if an earlier attempt of the training has stored them."""
    _stored: StoredCheckpoints | None = None
    _number: int = 0
    _digests: dict[FileIdentity, Digests] = field(default_factory=dict)
    _is_begun: bool = False
    _may_have_abandoned_uploads: bool = False

    def __post_init__(self) -> None:
        self._may_have_abandoned_uploads = self.target.attempt > 1

    @property
    def entries(self) -> Mapping[str, StoredEntry]:
        """The newest complete state of each entry that is stored."""
        return self.restored if self.last is None else self.last.entries

    def needs_content(self, found: FoundFile) -> bool:
        """Whether the content of a file must be read, and perhaps sent."""
        digests = self._digests.get(identity_of(found))
        return digests is None or self._stored is None or (digests.md5, found.size) not in self._stored.contents

    def send(self, entries: Mapping[str, StoredEntry | NewEntry], is_stopped: IsStopped) -> StoredCheckpoint | None:
        """
        Store a checkpoint of *entries*; return None if nothing new is left, because the command has written it.

        :raises SendingStopped: *is_stopped* was true; the checkpoint is not stored.
        :raises StoreError: the store cannot be reached, or refuses.
        """
        new = {name: one for name, one in entries.items() if isinstance(one, NewEntry)}
        with self.target.open_store() as store:
            stored = self._begin(store)
            self._stored = None  # unless all of this succeeds
            sent = self._send_contents(store, stored, new, is_stopped)
            if is_stopped():
                raise SendingStopped
            complete = self._states(entries, new, stored)
            checkpoint = None
            if complete and (self.last is None or self.last.state != state_of(complete)):
                sizes = [one.size for one in sent.values()]
                checkpoint = self._store_manifest(store, stored, complete, (len(sizes), sum(sizes)))
            self._prune(store, stored)
            self._stored = stored
        return checkpoint

    def recognize(self, entries: Mapping[str, Entry], reference: ResumedFrom) -> None:
        """
        Find the contents of restored *entries* in the checkpoint that they come from, so that they are not sent again.
        If it was deleted meanwhile, they are.

        :raises StoreError: the store cannot be reached, or refuses.
        """
        target = self.target
        name = manifest_name(target.training_id, reference.attempt, reference.number)
        with self.target.open_store() as store:
            found = next(iter(store.list_objects(target.container, name)), None)
            manifest = None if found is None else read_manifest(store, target.container, name, found.size)
        by_path = {one.path: one for one in manifest.entries} if manifest is not None else {}
        self.restored = {
            top: StoredEntry(entry.found, tuple(by_path[one.path] for one in entry.found))
            for top, entry in entries.items()
            if all(is_restored(one, by_path.get(one.path)) for one in entry.found)
        }

    def store_last(self, entries: Mapping[str, StoredEntry]) -> StoredCheckpoint:
        """
        Store the last checkpoint, whose contents are in the results; the one with the same state is not needed then.

        :raises StoreError: the store cannot be reached, or refuses.
        """
        with self.target.open_store() as store:
            stored, before = self._begin(store), self.last
            self._stored = None
            checkpoint = self._store_manifest(store, stored, entries, (0, 0))
            superseded = None
            if before is not None and before.state == checkpoint.state:
                superseded = before.manifest.attempt, before.manifest.number
            self._prune(store, stored, superseded)
            self._stored = stored
        return checkpoint

    def md5_of(self, found: FoundFile) -> str | None:
        """Return the MD5 of a file that was sent, if it has not changed since."""
        digests = self._digests.get(identity_of(found))
        return None if digests is None else digests.md5

    def _begin(self, store: ObjectStore) -> StoredCheckpoints:
        if not self._is_begun:
            self.target.before_first(store)
            self._is_begun = True
        if self._stored is None:
            target = self.target
            self._stored = list_checkpoints(store, target.container, target.training_id, target.kept)
            numbers = (number for attempt, number in self._stored.manifests if attempt == target.attempt)
            self._number = max(self._number, *numbers, 0)
        return self._stored

    def _send_contents(
        self, store: ObjectStore, stored: StoredCheckpoints, new: dict[str, NewEntry], is_stopped: IsStopped
    ) -> Mapping[str, HashedFile]:
        """Send what the store does not have; remove entries from *new* that the command has written meanwhile."""
        target = self.target
        for one in [staged for entry in new.values() for staged in entry.staged]:
            if identity_of(one.source) not in self._digests:
                segment_size = planned_segment_size(store, one.size, target.segment_size)
                self._may_have_abandoned_uploads |= bool(segment_size)
                self._digests[identity_of(one.source)] = hash_file(one, segment_size, is_stopped)
        _remove_changed(new)
        while True:
            files = dict(self._missing_contents(new, stored))
            try:
                upload_contents(store, target.container, files, target.segment_size, is_stopped)
            except Corrupted:
                if not _remove_changed(new):
                    self._digests.clear()  # a digest may be that of an earlier content
                    raise
            else:
                _remove_changed(new)
                for name in files:
                    stored.add_content(name)
                return files

    def _missing_contents(
        self, new: Mapping[str, NewEntry], stored: StoredCheckpoints
    ) -> Iterator[tuple[str, HashedFile]]:
        for one in [staged for entry in new.values() for staged in entry.staged]:
            digests = self._digests[identity_of(one.source)]
            if (digests.md5, one.size) not in stored.contents:
                name = content_name(self.target.training_id, self.target.attempt, digests.md5, one.size)
                yield name, HashedFile(one, digests)

    def _states(
        self, entries: Mapping[str, StoredEntry | NewEntry], sent: Mapping[str, NewEntry], stored: StoredCheckpoints
    ) -> dict[str, StoredEntry]:
        """Return the entries of the checkpoint; none if one is missing that is required."""
        states: dict[str, StoredEntry] = {}
        for name, one in entries.items():
            if isinstance(one, StoredEntry):
                states[name] = one
            elif name in sent:
                states[name] = self._stored_entry(one, stored)
            elif one.before is not None:
                states[name] = one.before
            elif one.is_required:
                return {}
        return states

    def _stored_entry(self, new: NewEntry, stored: StoredCheckpoints) -> StoredEntry:
        def object_of(one: FoundFile) -> tuple[str, str]:
            md5 = self._digests[identity_of(one)].md5
            return md5, stored.contents[md5, one.size]

        found = new.entry.found
        return StoredEntry(
            found,
            tuple(manifest_entry(one, *(object_of(one) if one.kind is EntryKind.FILE else ())) for one in found),
        )

    def _store_manifest(
        self,
        store: ObjectStore,
        stored: StoredCheckpoints,
        entries: Mapping[str, StoredEntry],
        sent: tuple[int, int],
    ) -> StoredCheckpoint:
        target = self.target
        self._number += 1  # also if the response is lost
        manifest = CheckpointManifest(
            training_id=target.training_id,
            attempt=target.attempt,
            number=self._number,
            stored_at=datetime.now(timezone.utc),
            entries=tuple(one for name in sorted(entries) for one in entries[name].manifest),
        )
        name = manifest_name(target.training_id, target.attempt, self._number)
        content = manifest.model_dump_json(exclude_none=True).encode()
        store.put(target.container, name, content, content_type="application/json")
        stored.manifests[target.attempt, self._number] = object_names(manifest)
        self.last = StoredCheckpoint(manifest, dict(entries), *sent)
        current = {identity_of(one) for entry in entries.values() for one in entry.found}
        self._digests = {identity: one for identity, one in self._digests.items() if identity in current}
        return self.last

    def _prune(self, store: ObjectStore, stored: StoredCheckpoints, superseded: CheckpointId | None = None) -> None:
        prune(store, self.target, stored, superseded)
        if self._may_have_abandoned_uploads:
            delete_abandoned_uploads(store, self.target, stored)


def _remove_changed(new: dict[str, NewEntry]) -> bool:
    """Remove the entries that the command has written since they were found; return whether there were any."""
    changed = [name for name, entry in new.items() if any(one.has_changed() for one in entry.staged)]
    for name in changed:
        del new[name]
    return bool(changed)
