"""Where the cache of training data is, and how much it may keep."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.job_settings import DataCacheSettings

MAX_DEFAULT_LIMIT = 100 * 1024**3
"""Bytes of the cache without a setting, at most."""

FOLDER = "data-cache"
"""The folder of the cache in the data directory of the service."""


def resolve_data_cache(
    settings: Settings, disk_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).total
) -> DataCacheSettings | None:
    """
    Return the place and the limit of the cache; None if it is off.

    Without a limit in the settings it is a quarter of the disk, and `MAX_DEFAULT_LIMIT` at most.

    :raises OSError: the size of the disk cannot be read.
    """
    if settings.data_cache is None:
        return None
    path = settings.home / FOLDER if settings.data_cache == "auto" else settings.data_cache
    if settings.data_cache_limit is not None:
        return DataCacheSettings(path=path, limit=settings.data_cache_limit)
    existing = next(one for one in (path, *path.parents) if one.exists())
    return DataCacheSettings(path=path, limit=min(MAX_DEFAULT_LIMIT, disk_bytes(existing) // 4))
