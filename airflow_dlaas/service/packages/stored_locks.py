"""The locks that the service has resolved: the same requirements on the same runtime get the same lock again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas.service.packages.requirements import RequestedPackages


@dataclass(frozen=True, slots=True)
class StoredLock:
    """A lock, and when it was resolved."""

    text: str
    resolved_at: datetime

    def is_fresh(self, max_age: float | None) -> bool:
        """Return whether it is used again; *max_age* is in seconds, None: always."""
        return max_age is None or (datetime.now(timezone.utc) - self.resolved_at).total_seconds() < max_age


def request_key(requested: RequestedPackages, identity: str) -> str:
    """Return the name of a stored lock: a hash of the files of the author and of the runtime (`identify_runtime`)."""
    return _hash(requested.origin, requested.digest, identity)


def layer_key(lock: str, identity: str) -> str:
    """Return the name of the environment of *lock*: a hash of everything that decides its content."""
    return _hash(lock, identity)


def read_lock(path: Path) -> StoredLock | None:
    """Return the lock at *path*; None if there is none, or a damaged one."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return StoredLock(str(found["lock"]), datetime.fromisoformat(found["resolved_at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_lock(path: Path, lock: StoredLock) -> None:
    """
    Write *lock* to *path*, atomically.

    :raises OSError: it cannot be written.
    """
    atomic_write_text(path, json.dumps({"lock": lock.text, "resolved_at": lock.resolved_at.isoformat()}), fsync=True)


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
