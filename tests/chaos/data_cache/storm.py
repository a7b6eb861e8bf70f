"""Rounds of learners that fill one cache together, while some are killed and objects are replaced."""

from __future__ import annotations

import logging
import multiprocessing
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.service.data_cache.cache import LinkMode
from airflow_dlaas.service.data_cache.entries import CacheFolder
from airflow_dlaas.service.data_cache.leftovers import remove_leftovers
from airflow_dlaas.service.data_cache.scrub import scrub
from tests.chaos.data_cache.folder_store import FolderStore
from tests.chaos.data_cache.learner import SEGMENT_SIZE, LearnerJob, learn, load, verify

logger = logging.getLogger(__name__)

MODES = [LinkMode.SYMLINK, LinkMode.HARDLINK, LinkMode.COPY]
LIMITS = [10**9, 1_500_000]
"""Bytes: room for all data, or for a part of it."""

JOIN_TIMEOUT = 120.0


@dataclass
class StormResult:
    """What has happened."""

    rounds: int = 0
    killed: int = 0
    finished: int = 0
    replaced: int = 0


class CacheStorm:
    """The storm in *folder*."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.chaos.data_cache.learner"])
        self._limit = LIMITS[0]
        self.result = StormResult()
        self.store = FolderStore(folder / "objects", folder / "ledger", pause=0.001)
        for number in range(30):
            self._put(number)

    def _put(self, number: int) -> None:
        size = self._random.choice([0, 10, 3000, 100_000, 5 * SEGMENT_SIZE + 17])
        self.store.put(f"folder-{number % 3}/object-{number}", self._random.randbytes(size))

    def run(self, rounds: int, learners: int) -> StormResult:
        """
        Run *rounds* rounds, about half of them with the cache of the round before.

        :raises AssertionError: a promise of the cache was violated.
        """
        for number in range(rounds):
            self._round(self._folder / f"round-{number}", learners)
            self.result.rounds += 1
            logger.info("%s", self.result)
        return self.result

    def _round(self, folder: Path, learners: int) -> None:
        cache = self._folder / "cache"
        if self._random.random() < 0.5:
            shutil.rmtree(cache, ignore_errors=True)
            self._limit = self._random.choice(LIMITS)  # with the same cache: entries in use may exceed a smaller limit
        limit, start_at = self._limit, time.time() + 0.3
        jobs = [
            LearnerJob(self.store, cache, folder / str(number), self._random.choice(MODES), limit, start_at)
            for number in range(learners)
        ]
        running = [self._processes.Process(target=learn, args=[job], daemon=True) for job in jobs]
        scrubbing = self._processes.Process(target=verify, args=[cache], daemon=True)
        for process in (*running, scrubbing):
            process.start()
        time.sleep(max(0.0, start_at - time.time()))
        doomed = self._random.sample(running, self._random.randint(0, learners - 1))
        for process in doomed:
            time.sleep(self._random.random() * 0.15)
            process.kill()
            if self._random.random() < 0.3:
                self._put(self._random.randrange(30))
                self.result.replaced += 1
        for process in (*running, scrubbing):
            process.join(JOIN_TIMEOUT)
        survivors = [process for process in running if process not in doomed]
        assert [process.exitcode for process in (*survivors, scrubbing)] == [0] * (len(survivors) + 1)
        self.result.killed += len(doomed)
        self.result.finished += len(survivors)
        self._check(cache, LearnerJob(self.store, cache, folder / "last", LinkMode.HARDLINK, limit, 0.0))
        shutil.rmtree(folder)

    def _check(self, cache: Path, last: LearnerJob) -> None:
        """Check that all entries are whole, that a further training completes, and that nothing is left over."""
        folder = CacheFolder(cache)
        assert not scrub(folder).damaged
        load(last, last.folder)
        assert not scrub(folder).damaged
        assert sum(one.size for one in folder.files()) <= last.limit
        remove_leftovers(folder, parts_max_age=0)
        assert not list(folder.filling.iterdir())
        assert not list(folder.users.iterdir())
