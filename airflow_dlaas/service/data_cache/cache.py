"""The cache as a learner uses it: puts planned objects into a job's folder, each fetched at most once per machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.data_cache.entries import CacheFolder
from airflow_dlaas.service.data_cache.in_use import UseFile
from airflow_dlaas.service.data_cache.leftovers import remove_leftovers
from airflow_dlaas.service.data_cache.link_files import LinkSupport, Placement, probe_link_support
from airflow_dlaas.service.data_cache.link_mode import LinkChoice, LinkMode, choose_link_mode
from airflow_dlaas.service.data_cache.materialize import (
    CacheOptions,
    CacheReport,
    LoadRequest,
    Materialization,
    load_directly,
    total_bytes,
)
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.transfer.plan import PlannedDownload

__all__ = [
    "CacheOptions",
    "CacheReport",
    "DataCache",
    "LinkChoice",
    "LinkMode",
    "LinkSupport",
    "Placement",
    "choose_link_mode",
    "probe_link_support",
]


class DataCache:
    """
    The cache at *path*; a context manager, which a learner holds while its command may read the data.

    Several processes, also of several services, may use one folder at the same time. A folder that cannot be used is
    no error: the data is then loaded without it, and the log has one warning.

    :param limit: bytes of content, at most. Data that does not fit is loaded without the cache.
    """

    def __init__(self, path: Path, limit: int, logger: logging.Logger) -> None:
        self._folder = CacheFolder(path)
        self._limit = limit
        self._logger = logger
        self._use_file: UseFile | None = None

    def __enter__(self) -> Self:
        try:
            self._folder.create()
            with self._folder.locked():
                self._use_file = UseFile(self._folder.users)
        except OSError as error:
            self._log_unusable(error.strerror or error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the use of the entries: they may be removed from now on. Linked files keep their content."""
        if self._use_file is not None:
            self._use_file.close()
            self._use_file = None

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder.path

    @property
    def is_usable(self) -> bool:
        """Whether the folder can be used; otherwise `materialize` loads without it."""
        return self._use_file is not None

    def materialize(
        self,
        store: ObjectStore,
        container: str,
        planned: Sequence[PlannedDownload],
        placement: Placement,
        options: CacheOptions,
    ) -> CacheReport:
        """
        Put the *planned* objects of *container* into the folder ``placement.root``; each file there is verified.

        An object whose digest the listing does not have, or which is larger than the room that the limit leaves, is
        loaded without the cache. Safe to repeat: files that a former call has left are replaced.

        :raises HostError: a disk is full, or a folder of the job cannot be written.
        :raises StoreError: an object cannot be fetched, or was replaced since it was listed.
        """
        request = LoadRequest(store, container, planned, placement, options)
        placed: dict[str, bool] = {}
        direct: Sequence[PlannedDownload] = planned
        if self._use_file is not None:
            try:
                direct = Materialization(self._folder, self._limit, self._use_file, request, placed, self._logger).run()
            except HostError as error:
                self._log_unusable(error)
                with suppress(OSError):
                    remove_leftovers(self._folder, parts_max_age=0)  # if the disk is full, they take the room
                direct = [one for one in planned if one.stored.name not in placed]
        if direct:
            load_directly(request, direct)
        return _report(planned, placed)

    def _log_unusable(self, problem: object) -> None:
        self._logger.warning(
            "The cache of data %s cannot be used (%s); the data is loaded without it", self._folder.path, problem
        )


def _report(planned: Sequence[PlannedDownload], placed: dict[str, bool]) -> CacheReport:
    cached = [one for one in planned if placed.get(one.stored.name) is False]
    fetched = [one for one in planned if placed.get(one.stored.name)]
    direct = [one for one in planned if one.stored.name not in placed]
    return CacheReport(
        *(len(cached), total_bytes(cached)),
        *(len(fetched), total_bytes(fetched)),
        *(len(direct), total_bytes(direct)),
    )
