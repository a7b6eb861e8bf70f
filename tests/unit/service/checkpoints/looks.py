"""Looks at folders that tests describe by tuples."""

from __future__ import annotations

from airflow_dlaas.service.checkpoints.completeness import Look, next_look
from airflow_dlaas.service.checkpoints.manifest import EntryKind
from airflow_dlaas.service.checkpoints.snapshot import Entry, FoundFile, Snapshot


def a_file(path: str, inode: int = 1, mtime: int = 10, size: int = 1) -> FoundFile:
    return FoundFile(path, EntryKind.FILE, 1, inode, size, mtime, 0o644)


def an_entry(name: str, inode: int = 1, mtime: int = 10, *, ctime: int | None = None, size: int = 1) -> Entry:
    """A file; with a *ctime* after *mtime* it was renamed."""
    return Entry((a_file(name, inode, mtime, size),), mtime if ctime is None else ctime)


def a_folder(name: str, *files: FoundFile, inode: int = 50, mtime: int = 10, ctime: int | None = None) -> Entry:
    """A folder with *files*."""
    top = FoundFile(name, EntryKind.FOLDER, 1, inode, 0, mtime, 0o755)
    return Entry((top, *files), mtime if ctime is None else ctime)


def looks(
    *snapshots: list[Entry], opened: tuple[frozenset[str], ...] = (), renamed: tuple[frozenset[str], ...] = ()
) -> tuple[Look, Look]:
    """
    The last two looks, one second apart.

    *opened* has the entries with open files of each, *renamed* those that the kernel reported as renamed into place.
    """
    before = now = Look()
    for second, entries in enumerate(snapshots):
        snapshot = Snapshot({one.top.path: one for one in entries})
        open_entries = opened[second] if opened else frozenset()
        renames = renamed[second] if renamed else frozenset()
        look = next_look(now, snapshot, float(second), open_entries=open_entries, renamed_entries=renames)
        before, now = now, look
    return before, now
