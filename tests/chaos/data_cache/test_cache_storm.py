"""A short chaos test of the cache of data; ``python -m tests.chaos.data_cache --rounds 200`` is a long one."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

from airflow_dlaas.service.data_cache.cache import LinkMode
from tests.chaos.data_cache.folder_store import FolderStore
from tests.chaos.data_cache.learner import LearnerJob, learn
from tests.chaos.data_cache.storm import CacheStorm

SEED, ROUNDS, LEARNERS = 20261201, 8, 5


def test_learners_that_are_killed_leave_whole_entries(tmp_path: Path) -> None:
    """
    Learners fill one cache together and are killed at random times, while objects are replaced and the cache is
    verified: the others end with the listed content, and a further training completes.
    """
    result = CacheStorm(tmp_path, SEED).run(ROUNDS, LEARNERS)
    assert result.rounds == ROUNDS
    assert result.killed


def test_ten_processes_that_start_together_fetch_each_byte_once(tmp_path: Path) -> None:
    """Bytes fetched by all, divided by the bytes of the data: 1.00."""
    store = FolderStore(tmp_path / "objects", tmp_path / "ledger", pause=0.0005)
    for number in range(60):
        store.put(f"object-{number}", bytes([number]) * (400_000 if number % 20 == 0 else 3000 + number))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.chaos.data_cache.learner"])
    start_at = time.time() + 1
    jobs = [
        LearnerJob(store, tmp_path / "cache", tmp_path / str(number), LinkMode.HARDLINK, 10**9, start_at)
        for number in range(10)
    ]
    running = [processes.Process(target=learn, args=[job], daemon=True) for job in jobs]
    for process in running:
        process.start()
    for process in running:
        process.join(120)
    assert [process.exitcode for process in running] == [0] * 10
    assert store.fetched_bytes() == sum(map(len, store.objects().values()))
