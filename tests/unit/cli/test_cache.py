"""What `cache list`, `cache verify` and `cache prune` print and do."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from airflow_dlaas.cli.app import app
from airflow_dlaas.service.data_cache.cache import CacheOptions, DataCache, LinkMode, Placement
from airflow_dlaas.service.data_cache.entries import CacheFolder
from airflow_dlaas.storage.transfer.plan import planned_downloads
from tests.memory_store import MemoryStore


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data directory whose cache has two objects."""
    store = MemoryStore(one=b"hello", two=b"x" * 3000)
    with DataCache(tmp_path / "home" / "data-cache", 10**9, logging.getLogger("cache")) as cache:
        placement = Placement(tmp_path / "data", tmp_path / "tree", LinkMode.COPY)
        planned = planned_downloads(store.list_objects("c"))
        cache.materialize(store, "c", planned, placement, CacheOptions(account_url="http://store/v1/a"))
    return tmp_path / "home"


def run(*arguments: object, exit_code: int = 0, **environment: str) -> str:
    result = CliRunner().invoke(app, ["cache", *map(str, arguments)], env={"COLUMNS": "200", **environment})
    assert result.exit_code == exit_code, result.output
    return result.stdout


def run_json(*arguments: object, exit_code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", exit_code=exit_code))


def test_containers_are_listed(home: Path) -> None:
    line = run("list", "--home", home).splitlines()[1]
    assert line.split()[:4] == ["c", "2", "2.9", "KiB"]
    assert line.rstrip().endswith("http://store/v1/a")
    document = run_json("list", "--cache", home / "data-cache")
    assert document["cache"] == str(home / "data-cache")
    assert [(one["container"], one["files"], one["bytes"]) for one in document["containers"]] == [("c", 2, 3005)]


def test_folder_is_that_of_the_settings_of_the_service(home: Path, tmp_path: Path) -> None:
    cache = str(home / "data-cache")
    assert cache in run("list", "--json", "--home", tmp_path, DLAAS_DATA_CACHE=cache)
    result = CliRunner().invoke(app, ["cache", "list", "--home", str(home)], env={"DLAAS_DATA_CACHE": "off"})
    assert "DLAAS_DATA_CACHE turns the cache off" in str(result.exception)


def test_damaged_content_is_dropped_and_the_exit_code_reports_it(home: Path) -> None:
    assert "2 files verified, 2.9 KiB; 0 were damaged" in run("verify", "--home", home)
    folder = CacheFolder(home / "data-cache")
    entry = next(Path(folder.entry_path(one.source, one.name)) for one in folder.files() if one.size == 5)
    entry.chmod(0o600)
    entry.write_bytes(b"olleh")
    damaged = run_json("verify", "--home", home, exit_code=1)["damaged"]
    assert [(one["container"], one["path"], one["bytes"]) for one in damaged] == [("c", str(entry), 5)]
    assert run_json("verify", "--home", home)["files"] == 1


def test_unused_data_is_removed(home: Path) -> None:
    assert "0 files removed" in run("prune", "--home", home)
    assert run_json("prune", "--home", home, "--to", "4KiB")["files"] == 0
    removed = run_json("prune", "--home", home, "--unused-days", 0)
    assert (removed["files"], removed["bytes"]) == (2, 3005)
    assert run_json("list", "--home", home)["containers"] == []


@pytest.mark.parametrize("arguments", [["list"], ["verify"], ["prune"]])
def test_folder_without_a_cache_is_an_error_and_stays_as_it_is(tmp_path: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["cache", *arguments, "--cache", str(tmp_path)])
    assert "has no cache of training data" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_size_that_is_none_is_refused(home: Path) -> None:
    result = CliRunner().invoke(app, ["cache", "prune", "--home", str(home), "--to", "much"])
    assert "--to must be a number of bytes" in str(result.exception)
