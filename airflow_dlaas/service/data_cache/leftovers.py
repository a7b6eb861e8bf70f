"""Removes what killed processes have left of the fills of entries."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.service.data_cache.entries import LOCK_SUFFIX, CacheFolder, remove_if_unlocked

PARTS_MAX_AGE = 24 * 3600.0
"""Seconds for which the parts of a large object are kept, so that the next training that needs it can resume."""

_FILLING = re.compile(r"\.?(?P<key>[0-9a-f]{40}\.[0-9a-f]{40}\.[0-9a-z]+).*?(?P<parts>-\d+\.part)?")


def remove_leftovers(folder: CacheFolder, parts_max_age: float = PARTS_MAX_AGE) -> int:
    """
    Remove files of fills that no process continues; return their number.

    :param parts_max_age: seconds since the last write, for the parts of large objects; 0 removes all.
    """
    removed = 0
    for path in sorted(folder.filling.iterdir()):
        match = _FILLING.fullmatch(path.name)
        if match is None or path.name.endswith(LOCK_SUFFIX):
            continue
        lock = folder.filling / (match["key"] + LOCK_SUFFIX)
        with suppress(OSError), ExitStack() as stack:
            if lock.exists():
                stack.enter_context(file_lock(lock, timeout=0))
            if match["parts"] is None or time.time() - path.stat().st_mtime >= parts_max_age:
                removed += remove_if_unlocked(path)
    _remove_free_locks(folder.filling)
    return removed


def _remove_free_locks(filling: Path) -> None:
    for path in filling.glob(f"*{LOCK_SUFFIX}"):
        with suppress(OSError), file_lock(path, timeout=0, unlink=True):
            pass
