"""The environments on disk: what there is, and the removal of those that are not used."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.service.job_files import remove_folder
from airflow_dlaas.service.packages.in_use import last_used, removal_of
from airflow_dlaas.service.packages.layer import TEMPORARY_PREFIX, folder_size
from airflow_dlaas.service.runtimes.uv import MARKER_FILE

REMOVED_SUFFIX = ".removed"
"""Ending of an environment that is being removed; it is never used again."""


MAX_RESOLVING_SECONDS = 24 * 3600
"""Seconds after which a temporary folder belongs to no process any more; resolving takes minutes."""


@dataclass(frozen=True, slots=True)
class StoredEnvironment:
    """An environment on disk."""

    path: Path
    size: int
    """Bytes. Files that uv's cache shares are counted, too."""
    used_at: datetime
    requirements: tuple[str, ...]
    runtime: str
    """The runtime: its description, or the ``bin`` directory below an environment of packages."""

    @property
    def key(self) -> str:
        return self.path.name


def list_environments(folder: Path) -> list[StoredEnvironment]:
    """Return the complete environments in *folder*, the least recently used first."""
    return sorted(_read_environments(folder), key=lambda one: one.used_at)


def enforce_limit(folder: Path, limit: int, on_progress: Callable[[str], None] = lambda _: None) -> None:
    """
    Remove environments in *folder* until they have at most *limit* bytes, the least recently used first.

    One that is in use stays, so the limit may stay exceeded.
    """
    remove_leftovers(folder)
    found = list_environments(folder)
    total = sum(one.size for one in found)
    for one in found:
        if total <= limit:
            break
        if remove_environment(one.path):
            total -= one.size
            on_progress(f"Removed the packages {one.key}, last used {one.used_at:%Y-%m-%d %H:%M}, to make room")


def prune(folder: Path, unused_seconds: float, now: float | None = None) -> list[StoredEnvironment]:
    """Remove the environments in *folder* that were not used for this time and are not in use; return them."""
    remove_leftovers(folder)
    now = time.time() if now is None else now
    return [
        one
        for one in list_environments(folder)
        if now - one.used_at.timestamp() >= unused_seconds and remove_environment(one.path)
    ]


def remove_environment(environment: Path) -> bool:
    """Remove *environment* unless it is in use; return whether it was removed."""
    removed = environment.with_name(environment.name + REMOVED_SUFFIX)
    with removal_of(environment) as unused:
        if not unused:
            return False
        remove_folder(removed)
        try:
            environment.rename(removed)
        except OSError:
            return False
    remove_folder(removed)
    return True


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes have left in *folder*; what another process is making stays."""
    for path in folder.glob(f"*{REMOVED_SUFFIX}"):
        remove_folder(path)
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > MAX_RESOLVING_SECONDS:
                remove_folder(path)
    for path in folder.glob("*.part"):
        with suppress(OSError), file_lock(path.with_suffix(".lock"), timeout=0):
            remove_folder(path)


def _read_environments(folder: Path) -> Iterator[StoredEnvironment]:
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            marker = path / MARKER_FILE
            if "." in path.name or not marker.is_file():
                continue
            with suppress(OSError, ValueError):
                made = json.loads(marker.read_text("utf-8"))
                yield StoredEnvironment(
                    path,
                    made["size"] if isinstance(made.get("size"), int) else folder_size(path),
                    datetime.fromtimestamp(last_used(path), timezone.utc),
                    tuple(str(one) for one in made.get("requirements", ())),
                    str(made.get("provides") or made.get("runtime") or ""),
                )
