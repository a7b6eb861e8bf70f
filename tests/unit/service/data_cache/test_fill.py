"""How trainings on one machine share the fills: here as threads, whose locks exclude each other as processes' do."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

import pytest

from airflow_dlaas._util.file_lock import acquire_file_lock
from airflow_dlaas._util.threads import start_in_thread
from airflow_dlaas.service.data_cache.entry_names import entry_name, source_id
from tests.memory_store import MemoryStore
from tests.unit.service.data_cache.conftest import ACCOUNT, CacheStage
from tests.waiting import until

CONTENT = {f"n{number}": str(number).encode() * (50 if number % 5 else 3000) for number in range(40)}


def test_trainings_that_start_together_fetch_each_object_once(stage: CacheStage) -> None:
    store, start = MemoryStore(**CONTENT), threading.Barrier(5)

    def train(number: int) -> Any:
        start.wait()
        return stage.load(store, f"job-{number}")

    futures = [start_in_thread(lambda number=number: train(number), name="training") for number in range(5)]
    reports = [one.result(60) for one in futures]
    assert sum(one.fetched_files for one in reports) == len(CONTENT)
    assert len(store.asked) == len(set(store.asked))
    assert all(stage.read(f"job-{number}") == CONTENT for number in range(5))
    assert list(stage.folder.filling.iterdir()) == []


def test_training_waits_for_the_fill_of_another_and_takes_over_when_that_ends(
    stage: CacheStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store = MemoryStore(one=b"hello", two=b"world")
    stage.load(MemoryStore(), "nothing")
    listed = next(iter(store.list_objects("c")))
    lock = stage.folder.filling_path(source_id(ACCOUNT, "c"), entry_name(listed) or "")
    descriptor = acquire_file_lock(lock, timeout=0)
    future = start_in_thread(lambda: stage.load(store), name="training")
    until(lambda: "waits for 1 files, 5 bytes" in caplog.text)
    assert stage.read() == {"two": b"world"}, "the other object is there already"
    os.close(descriptor)
    assert future.result(30).fetched_files == 2
    assert stage.read() == store.objects


def test_file_that_a_killed_fill_has_left_is_replaced(stage: CacheStage) -> None:
    """It has no write permission if the process was killed right before the file became an entry."""
    store = MemoryStore(one=b"hello")
    stage.load(MemoryStore(), "nothing")
    listed = next(iter(store.list_objects("c")))
    left = stage.folder.filling_path(source_id(ACCOUNT, "c"), entry_name(listed) or "")
    left.write_bytes(b"something longer")
    left.chmod(0o444)
    assert stage.load(store).fetched_files == 1
    assert stage.read() == {"one": b"hello"}
