"""The processes of the storm: learners that load data by way of the cache, and a scrub."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.service.data_cache.cache import CacheOptions, DataCache, LinkMode, Placement
from airflow_dlaas.service.data_cache.entries import CacheFolder
from airflow_dlaas.service.data_cache.scrub import scrub
from airflow_dlaas.storage.object_store import StoredObject
from airflow_dlaas.storage.transfer.plan import planned_downloads
from tests.chaos.data_cache.folder_store import FolderStore
from tests.memory_store import md5
from tests.stored import read_tree

SEGMENT_SIZE = 64 * 1024
"""Objects of more than two of these are large."""

CONTAINER = "data"


@dataclass(frozen=True)
class LearnerJob:
    """What one learner does."""

    store: FolderStore
    cache: Path
    folder: Path
    mode: LinkMode
    limit: int
    start_at: float
    """Time at which it begins, so that all begin together."""


def learn(job: LearnerJob) -> None:
    """Load the data, again if an object was replaced meanwhile; fail if a file differs from what was listed."""
    time.sleep(max(0.0, job.start_at - time.time()))
    for attempt in range(20):
        try:
            load(job, job.folder / str(attempt))
        except Corrupted:
            continue
        (job.folder / "done").touch()
        return
    raise AssertionError("the data was replaced at each attempt")


def load(job: LearnerJob, folder: Path) -> None:
    """Load the data once."""
    listing = list(job.store.list_objects(CONTAINER))
    placement = Placement(folder / "data", folder / "tree", job.mode)
    options = CacheOptions(account_url="storm", threads=4, segment_size=SEGMENT_SIZE)
    with DataCache(job.cache, job.limit, logging.getLogger("storm")) as cache:
        cache.materialize(job.store, CONTAINER, planned_downloads(listing), placement, options)
        require_listed(listing, folder / "data")


def require_listed(listing: Sequence[StoredObject], data: Path) -> None:
    """Check that the files are those of the listing."""
    found, listed = read_tree(data), {one.name: one.md5 for one in listing}
    assert found.keys() == listed.keys()
    different = {name: (len(content), listed[name]) for name, content in found.items() if md5(content) != listed[name]}
    assert not different, different


def verify(cache: Path) -> None:
    """Verify the cache, as `airflow-dlaas cache verify` does; nothing in it is damaged."""
    if (folder := CacheFolder(cache)).exists():
        report = scrub(folder)
        assert not report.damaged, report.damaged
