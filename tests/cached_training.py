"""
A training that loads a container of a Swift by way of a cache.

As a program: ``python -m tests.cached_training AUTH_URL USER CONTAINER CACHE FOLDER SEGMENT_SIZE``, with the password
in DLAAS_TEST_KEY; it prints the report as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.service.data_cache.cache import CacheOptions, CacheReport, DataCache, LinkMode, Placement
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.plan import PlannedDownload, planned_downloads


@dataclass(frozen=True)
class CachedTraining:
    """Loads *container* by way of the cache in the folder *cache*."""

    connection: SwiftStoreConnection
    container: str
    cache: Path
    segment_size: int = DEFAULT_SEGMENT_SIZE
    limit: int = 10**12

    def list(self) -> Sequence[PlannedDownload]:
        """List the container."""
        with SwiftStore.open(self.connection) as store:
            return planned_downloads(store.list_objects(self.container))

    def load(
        self,
        folder: Path,
        planned: Sequence[PlannedDownload] | None = None,
        mode: LinkMode = LinkMode.HARDLINK,
    ) -> CacheReport:
        """Load the objects of a listing, by default that of now, into the folder ``data`` of *folder*."""
        planned = self.list() if planned is None else planned
        options = CacheOptions(account_url=self.connection.auth_url, segment_size=self.segment_size)
        placement = Placement(folder / "data", folder / "tree", mode)
        with (
            SwiftStore.open(self.connection) as store,
            DataCache(self.cache, self.limit, logging.getLogger("cache")) as cache,
        ):
            return cache.materialize(store, self.container, planned, placement, options)


def main() -> None:
    """Load as a process of its own."""
    auth_url, user, container, cache, folder, segment_size = sys.argv[1:]
    connection = SwiftStoreConnection(auth_url=auth_url, user_id=user, password=SecretStr(os.environ["DLAAS_TEST_KEY"]))
    training = CachedTraining(connection, container, Path(cache), int(segment_size))
    print(json.dumps(dataclasses.asdict(training.load(Path(folder)))))  # noqa: T201  (the output of the program)


if __name__ == "__main__":
    main()
