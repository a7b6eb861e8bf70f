"""
Which entries of CHECKPOINT_DIR are complete, decided from two looks at it. No I/O.

An entry is complete when no file in it is open for writing, and when it was renamed into place, or has not changed
since the look before. A folder has to be without a change for a little longer: between two of its files, none is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_dlaas.service.checkpoints.manifest import EntryKind
from airflow_dlaas.service.checkpoints.snapshot import Entry, Snapshot

FOLDER_QUIET_SECONDS = 3.0
"""Seconds without a change in a folder until it is complete, unless it was renamed into place."""


@dataclass(frozen=True, slots=True)
class Look:
    """A snapshot, and what is known besides."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    taken_at: float = 0.0
    """Seconds of a monotonic clock."""
    open_entries: frozenset[str] = frozenset()
    """Entries with a file that is open for writing. Those that do not matter may be missing."""
    renamed_entries: frozenset[str] = frozenset()
    """Entries that were renamed into place since the look before, as the kernel reported it (`RenameWatch`)."""
    unchanged_since: Mapping[str, float] = field(default_factory=dict)
    """By entry: when the first look found it as it is."""

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The entries by name."""
        return self.snapshot.entries


def next_look(
    before: Look,
    snapshot: Snapshot,
    now: float,
    *,
    open_entries: frozenset[str] = frozenset(),
    renamed_entries: frozenset[str] = frozenset(),
) -> Look:
    """Return the look that follows *before*."""
    since = {
        name: before.unchanged_since.get(name, before.taken_at) if _is_same(before.entries.get(name), entry) else now
        for name, entry in snapshot.entries.items()
    }
    return Look(snapshot, now, open_entries, renamed_entries, since)


def complete_entries(before: Look, now: Look) -> frozenset[str]:
    """Return the entries that are complete while the command runs."""
    return frozenset(
        name
        for name, entry in now.entries.items()
        if name not in now.open_entries
        and (_was_renamed(before, now, name) or _is_quiet(before.entries.get(name), entry, name, now))
    )


def complete_after_kill(before: Look, now: Look) -> frozenset[str]:
    """
    Return the entries that are complete after the command was killed.

    Nothing is open any more. What was open at the look before may have ended in the middle.
    """
    return frozenset(
        name
        for name, entry in now.entries.items()
        if _was_renamed(before, now, name)
        or (name not in before.open_entries and _is_quiet(before.entries.get(name), entry, name, now))
    )


def is_gone(before: Look, now: Look, name: str) -> bool:
    """Whether an entry was removed: one that is replaced may be missing for one look."""
    return name not in now.entries and name not in before.entries


def _was_renamed(before: Look, now: Look, name: str) -> bool:
    """
    Whether an entry was renamed into place since the look before.

    Its times show it too, where the kernel reports nothing: a file that is written has equal ones, and a rename changes
    only the one that stands for any change.
    """
    entry, last = now.entries[name], before.entries.get(name)
    if entry.top.kind is EntryKind.LINK:
        return False
    is_new = last is None or last.top.inode != entry.top.inode
    return name in now.renamed_entries or (is_new and entry.ctime_ns > entry.top.mtime_ns)


def _is_quiet(before: Entry | None, entry: Entry, name: str, now: Look) -> bool:
    if not _is_same(before, entry):
        return False
    is_folder = entry.top.kind is EntryKind.FOLDER
    return not is_folder or now.taken_at - now.unchanged_since[name] >= FOLDER_QUIET_SECONDS


def _is_same(before: Entry | None, now: Entry) -> bool:
    return before is not None and before.found == now.found
