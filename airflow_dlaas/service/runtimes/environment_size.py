"""The size of an environment on disk."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.uv import MARKER_FILE, environment_name

BLOCK_SIZE = 512
"""Bytes of a block in `os.stat_result.st_blocks` (POSIX leaves it open; Linux: stat(2))."""


def environment_bytes(spec: RuntimeSpec, environments_dir: Path) -> int | None:
    """
    Return the bytes on disk of the environment of *spec*; None if it was not made yet.

    Its files are looked at once for each environment in each process, which takes some tenths of a second for the
    largest framework. Files that uv shares with its cache (hard links) count.
    """
    environment_dir = environments_dir / environment_name(spec)
    try:
        made_at = (environment_dir / MARKER_FILE).stat().st_mtime_ns
    except OSError:
        return None
    return _folder_bytes(environment_dir, made_at)


@functools.lru_cache(maxsize=256)
def _folder_bytes(folder: Path, _made_at: int) -> int:
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * BLOCK_SIZE  # noqa: PTH118 - faster
            except OSError:  # noqa: PERF203 - the environment is being removed
                continue
    return total
