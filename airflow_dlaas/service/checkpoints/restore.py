"""Restores a checkpoint into an empty folder."""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from airflow_dlaas.exceptions import HostError, StoreError
from airflow_dlaas.service.checkpoints.find import raise_damage
from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest, EntryKind, ManifestEntry
from airflow_dlaas.service.checkpoints.manifest_checks import DamagedCheckpoint, parents_of, require_valid_manifest
from airflow_dlaas.service.job_files import remove_folder
from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.download import Downloader
from airflow_dlaas.storage.transfer.plan import PlannedDownload
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkerPool

if TYPE_CHECKING:
    from airflow_dlaas.storage.transfer.worker_pool import ProgressCallback

JOB_FOLDER = "checkpoints"
"""The name of CHECKPOINT_DIR in a job directory, which has the name of the training."""

MODE_BITS = 0o777
"""The bits of a mode that are restored: not those that change the user of a program."""

MAX_VERIFYING_THREADS = 4
"""Files whose MD5 is computed at the same time."""


def empty_folder(folder: Path) -> None:
    """
    Make *folder* an empty folder, whatever is at its path: a command may have replaced it by a link or a file.

    :raises OSError: what is there cannot be removed.
    """
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
    else:
        _permit_removal(folder)
        remove_folder(folder)
    folder.mkdir()


def _permit_removal(folder: Path) -> None:
    """Make all folders below *folder* writable: a command may have sealed them."""
    folder.chmod(0o700)
    with suppress(RecursionError):  # a thousand levels; see `remove_folder`
        for path, names, _ in os.walk(folder):
            for one in (Path(path, name) for name in names):
                if not one.is_symlink():
                    one.chmod(0o700)


def restore_checkpoint(
    store: ObjectStore,
    container: str,
    manifest: CheckpointManifest,
    folder: Path,
    progress: ProgressCallback | None = None,
) -> None:
    """
    Restore *manifest* into *folder*: files, folders and links, with modes and times.

    The folder is empty (`empty_folder`), or has what an interrupted call with the same manifest has left; complete
    files are then not fetched again. Each file is compared with its MD5 in the manifest.

    :raises DamagedCheckpoint: the manifest is invalid, or an object is missing or has other content.
    :raises StoreError: the store cannot be reached, or refuses a request.
    :raises HostError: the disk is full, or the folder cannot be written.
    """
    require_valid_manifest(manifest)
    by_kind = {kind: [one for one in manifest.entries if one.kind is kind] for kind in EntryKind}
    files, folders, links = by_kind[EntryKind.FILE], by_kind[EntryKind.FOLDER], by_kind[EntryKind.LINK]
    root = folder.resolve()
    try:
        _make_folders(manifest, root)
        _download(store, container, manifest, files, root, progress)
        _verify(files, root)
        for one in links:
            _make_link(root / one.path, one, manifest.training_id)
        # Folders last and from the innermost one: a change in a folder sets its time, and may not be permitted later.
        for one in (*files, *sorted(folders, key=lambda one: -one.path.count("/"))):
            (root / one.path).chmod(one.mode & MODE_BITS)
            os.utime(root / one.path, ns=(one.mtime_ns, one.mtime_ns))
    except StoreError as error:
        raise_damage(error)
        raise
    except OSError as error:
        raise HostError(f"{folder} cannot be written: {error.strerror or error}") from error


def _make_folders(manifest: CheckpointManifest, root: Path) -> None:
    needed = {above for one in manifest.entries for above in parents_of(one.path)}
    needed |= {one.path for one in manifest.entries if one.kind is EntryKind.FOLDER}
    for path in sorted(needed):
        (root / path).mkdir(exist_ok=True)


def _download(
    store: ObjectStore,
    container: str,
    manifest: CheckpointManifest,
    files: list[ManifestEntry],
    root: Path,
    progress: ProgressCallback | None,
) -> None:
    planned = [
        PlannedDownload(
            PurePosixPath(one.path), StoredObject(one.object_name or "", one.size, one.md5, manifest.stored_at)
        )
        for one in sorted(files, key=lambda one: -one.size)
    ]
    tracker = ProgressTracker(sum(one.size for one in files), len(files), progress)
    with ChecksumCache() as checksum_cache:
        Downloader(store, container, root, checksum_cache, WorkerPool(tracker, None)).download(planned)


def _verify(files: list[ManifestEntry], root: Path) -> None:
    """
    Compare the files with the manifest.

    The download has compared each object with what the store has of it. It does not notice that an object was replaced,
    and knows no MD5 of a whole object of segments.
    """
    pool = WorkerPool(ProgressTracker(0, len(files), None), MAX_VERIFYING_THREADS)
    pool.add(partial(_verify_file, one, root / one.path) for one in files)
    pool.run()


def _verify_file(entry: ManifestEntry, path: Path) -> None:
    if path.stat().st_size != entry.size or md5_of(path) != entry.md5:
        raise DamagedCheckpoint(f"object {entry.object_name!r} has other content than it was stored with")


def _make_link(path: Path, entry: ManifestEntry, training_id: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(link_target(entry, training_id))
    os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)


def link_target(entry: ManifestEntry, training_id: str) -> str:
    """
    Return the target of a restored link: that of the stored one, but relative if it leads into CHECKPOINT_DIR.

    The CHECKPOINT_DIR of another training has another path.
    """
    target = entry.target or ""
    _, job, inside = target.partition(f"/{training_id}/{JOB_FOLDER}/")
    if not job or not target.startswith("/"):
        return target
    return posixpath.relpath(inside, posixpath.dirname(entry.path) or ".")
