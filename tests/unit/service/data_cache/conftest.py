"""A cache in a temporary folder, and trainings that load from a store in memory."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_dlaas.service.data_cache.cache import CacheOptions, CacheReport, DataCache, LinkMode, Placement
from airflow_dlaas.service.data_cache.entries import CacheFolder
from airflow_dlaas.storage.transfer.plan import planned_downloads
from tests.memory_store import MemoryStore

ACCOUNT = "http://store.example/v1/AUTH_a"
SEGMENT_SIZE = 1000
"""Objects of more than 2,000 bytes are large."""


@dataclass
class CacheStage:
    """A cache, and the folders of jobs beside it."""

    path: Path
    limit: int = 10**9
    threads: int = 4

    @property
    def folder(self) -> CacheFolder:
        return CacheFolder(self.path / "cache")

    def open(self) -> DataCache:
        return DataCache(self.path / "cache", self.limit, logging.getLogger("cache"))

    def job(self, name: str, mode: LinkMode = LinkMode.HARDLINK) -> Placement:
        return Placement(self.path / name / "data", self.path / name / "tree", mode)

    def load(
        self, store: MemoryStore, job: str = "job", mode: LinkMode = LinkMode.HARDLINK, account: str = ACCOUNT
    ) -> CacheReport:
        """Load container ``c`` as one training does that ends at once."""
        with self.open() as cache:
            return self.load_with(cache, store, self.job(job, mode), account)

    def load_with(
        self, cache: DataCache, store: MemoryStore, placement: Placement, account: str = ACCOUNT
    ) -> CacheReport:
        planned = planned_downloads(store.list_objects("c"))
        options = CacheOptions(account_url=account, threads=self.threads, segment_size=SEGMENT_SIZE)
        return cache.materialize(store, "c", planned, placement, options)

    def read(self, job: str = "job") -> dict[str, bytes]:
        root = self.path / job / "data"
        return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}

    def entries(self) -> dict[int, Path]:
        """Return the paths of the entries by their size."""
        return {one.size: Path(self.folder.entry_path(one.source, one.name)) for one in self.folder.files()}


@pytest.fixture
def stage(tmp_path: Path) -> CacheStage:
    return CacheStage(tmp_path)
