"""Decides whether a manifest can be restored into a folder, without a step out of it. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_dlaas.contract.store_names import path_problem
from airflow_dlaas.service.checkpoints.manifest import FORMAT, CheckpointManifest, EntryKind, ManifestEntry

MAX_TARGET_BYTES = 4095
"""Bytes of a link's target on Linux (``PATH_MAX`` less its end)."""

MAX_MTIME_NS = 2**63 - 1

_MD5 = re.compile(r"[0-9a-f]{32}")


class DamagedCheckpoint(Exception):
    """A checkpoint cannot be restored: its manifest is invalid, or an object of it is missing or has other content."""


def require_valid_manifest(manifest: CheckpointManifest) -> None:
    """
    Check that *manifest* describes the content of one folder.

    Each path leads below the folder and occurs once, and only a folder is above another path: so no file is written
    through a link, wherever the link leads. Content is only taken from objects of the same training.

    :raises DamagedCheckpoint: it does not.
    """
    if manifest.format != FORMAT:
        raise DamagedCheckpoint(f"its manifest has format {manifest.format}, and this release reads {FORMAT}")
    by_path: dict[str, ManifestEntry] = {}
    for entry in manifest.entries:
        problem = path_problem(entry.path) or _entry_problem(entry, manifest.training_id)
        if problem is None and entry.path in by_path:
            problem = "occurs twice"
        if problem is not None:
            raise DamagedCheckpoint(f"the entry {entry.path!r} of its manifest {problem}")
        by_path[entry.path] = entry
    for path in by_path:
        if (above := _find_parent_that_is_no_folder(path, by_path)) is not None:
            raise DamagedCheckpoint(f"the entry {path!r} of its manifest is below {above!r}, which is no folder")


def parents_of(path: str) -> list[str]:
    """Return the folders above *path*, the outermost one first."""
    steps = path.split("/")[:-1]
    return ["/".join(steps[: number + 1]) for number in range(len(steps))]


def _find_parent_that_is_no_folder(path: str, by_path: Mapping[str, ManifestEntry]) -> str | None:
    return next(
        (one for one in parents_of(path) if one in by_path and by_path[one].kind is not EntryKind.FOLDER),
        None,
    )


def _entry_problem(entry: ManifestEntry, training_id: str) -> str | None:
    if not 0 <= entry.mtime_ns <= MAX_MTIME_NS:
        return "has an invalid time"
    if entry.kind is EntryKind.FILE:
        return _file_problem(entry, training_id)
    if entry.kind is EntryKind.LINK:
        target = entry.target or ""
        valid = target and "\0" not in target and len(target.encode(errors="surrogatepass")) <= MAX_TARGET_BYTES
        return None if valid else "is a link with an invalid target"
    return None


def _file_problem(entry: ManifestEntry, training_id: str) -> str | None:
    if entry.size < 0:
        return "has an invalid size"
    if entry.md5 is None or not _MD5.fullmatch(entry.md5):
        return "has no MD5"
    if entry.object_name is None or not entry.object_name.startswith(f"{training_id}/"):
        return "is in no object of the training"
    return None
