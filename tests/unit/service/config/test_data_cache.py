"""Where the cache of training data is, and how much it may keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.service.config.data_cache import MAX_DEFAULT_LIMIT, resolve_data_cache
from airflow_dlaas.service.config.read_settings import read_settings
from airflow_dlaas.service.job_settings import DataCacheSettings

GIB = 1024**3


def test_cache_is_in_the_data_directory_unless_a_folder_is_set(tmp_path: Path) -> None:
    home = {"DLAAS_HOME": str(tmp_path)}
    limit = {"DLAAS_DATA_CACHE_LIMIT": "5GiB"}
    assert resolve_data_cache(read_settings(home | limit)) == DataCacheSettings(
        path=tmp_path / "data-cache", limit=5 * GIB
    )
    elsewhere = resolve_data_cache(read_settings(home | limit | {"DLAAS_DATA_CACHE": "/fast/cache"}))
    assert elsewhere == DataCacheSettings(path=Path("/fast/cache"), limit=5 * GIB)
    assert resolve_data_cache(read_settings(home | limit | {"DLAAS_DATA_CACHE": "off"})) is None


@pytest.mark.parametrize(("disk", "limit"), [(40 * GIB, 10 * GIB), (400 * GIB, 100 * GIB), (4000 * GIB, 100 * GIB)])
def test_default_limit_is_a_part_of_the_disk(tmp_path: Path, disk: int, limit: int) -> None:
    asked: list[Path] = []

    def disk_bytes(path: Path) -> int:
        asked.append(path)
        return disk

    found = resolve_data_cache(read_settings({"DLAAS_HOME": str(tmp_path / "not" / "made")}), disk_bytes)
    assert found is not None
    assert (found.limit, asked) == (limit, [tmp_path])
    assert limit <= MAX_DEFAULT_LIMIT
