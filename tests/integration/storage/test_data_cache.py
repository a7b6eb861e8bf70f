"""The cache of training data with a real Swift: content, segments, and the requests that it sends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.service.data_cache.cache import CacheReport, LinkMode
from airflow_dlaas.storage.segments import MIB
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import UploadOptions, upload
from tests.cached_training import CachedTraining
from tests.stored import random_bytes, read_tree, write_tree

CONTENT = {
    "empty": b"",
    "small/one": b"hello",
    "small/two": random_bytes(700_000, 2),
    "segments": random_bytes(3 * MIB + 17, 3),
}
TOTAL = sum(map(len, CONTENT.values()))


@pytest.fixture
def training(swift: SwiftStoreConnection, store: SwiftStore, container: str, tmp_path: Path) -> CachedTraining:
    upload(store, write_tree(tmp_path / "source", CONTENT), container, UploadOptions(segment_size=MIB))
    return CachedTraining(swift, container, tmp_path / "cache", segment_size=MIB)


def test_second_training_reads_the_same_without_a_download(training: CachedTraining, tmp_path: Path) -> None:
    assert training.load(tmp_path / "first") == CacheReport(fetched_files=4, fetched_bytes=TOTAL)
    assert training.load(tmp_path / "second") == CacheReport(cached_files=4, cached_bytes=TOTAL)
    for folder in ("first", "second"):
        assert read_tree(tmp_path / folder / "data") == CONTENT


def test_object_that_is_replaced_after_the_listing_is_refused(
    training: CachedTraining, store: SwiftStore, container: str, tmp_path: Path
) -> None:
    listing = training.list()
    store.put(container, "small/one", b"HELLO")
    with pytest.raises(Corrupted, match="replaced"):
        training.load(tmp_path / "first", listing)
    assert training.load(tmp_path / "second").cached_files < 4
    assert read_tree(tmp_path / "second" / "data") == {**CONTENT, "small/one": b"HELLO"}


def test_processes_that_start_together_fetch_each_object_once(
    training: CachedTraining, swift: SwiftStoreConnection, tmp_path: Path
) -> None:
    """Bytes that all of them fetched, divided by the bytes of the data: 1.00."""
    key = SecretStr.get_secret_value(swift.password)
    command = [sys.executable, "-m", "tests.cached_training", swift.auth_url, swift.user_id, training.container]
    processes = [
        subprocess.Popen(
            [*command, str(training.cache), str(tmp_path / str(number)), str(MIB)],
            env={"DLAAS_TEST_KEY": key, "PATH": ""},
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        for number in range(4)
    ]
    reports = [json.loads(process.communicate()[0]) for process in processes]
    assert sum(one["fetched_bytes"] for one in reports) == TOTAL
    assert [one["direct_files"] for one in reports] == [0] * 4
    assert all(read_tree(tmp_path / str(number) / "data") == CONTENT for number in range(4))


@pytest.mark.parametrize("mode", [LinkMode.SYMLINK, LinkMode.COPY])
def test_content_is_the_same_in_each_mode(training: CachedTraining, tmp_path: Path, mode: LinkMode) -> None:
    training.load(tmp_path / "first", mode=mode)
    assert read_tree(tmp_path / "first" / "data") == CONTENT
