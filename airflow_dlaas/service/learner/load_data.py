"""Loads the training data of one job from its containers, and links its mounted folders."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_dlaas.contract.data_manifest import SourceManifest
from airflow_dlaas.contract.data_report import DataReport, DataSourceReport
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.stores import DataContainerRef, MountRef, StoreConnection
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.data_fetch import DataFetcher, DirectFetcher, FetchReport, PlannedSource
from airflow_dlaas.service.learner.data_folders import source_folders
from airflow_dlaas.service.learner.data_listing import list_source
from airflow_dlaas.service.learner.data_selection import DataSelection, data_version
from airflow_dlaas.service.learner.disk_room import DiskSpace, disk_space, require_room
from airflow_dlaas.service.learner.load_progress import LoadCounter, LoadEvents
from airflow_dlaas.service.learner.mounts import Mount, find_mounts, link_mounts

if TYPE_CHECKING:
    from airflow_dlaas.storage.open_object_store import OpenedStore


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How data is loaded."""

    events: LoadEvents = field(default_factory=LoadEvents)
    fetcher: DataFetcher = field(default_factory=DirectFetcher)
    get_space: Callable[[Path], DiskSpace] = disk_space
    is_isolated: bool = True
    """Whether the command cannot change a mounted folder that is read-only: it has a sandbox or a container."""


LOAD_OPTIONS = LoadOptions()
"""The data is downloaded, and nothing observes that."""


@dataclass(frozen=True, slots=True)
class LoadedData:
    """The data that is in place."""

    report: DataReport
    sources: tuple[SourceManifest, ...] = ()
    """The manifests of the sources, in the order of the definition; empty for folders of `train --here`."""
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True, slots=True)
class _ListedSource:
    """A container that was listed."""

    source: DataContainerRef
    folder: str
    selection: DataSelection
    plan: PlannedSource


@dataclass(frozen=True, slots=True)
class DataLoader:
    """
    The training data of one job.

    All containers are listed before the first byte is loaded: so each name is known to be valid, each version to hold,
    and the disks to have room, and the progress has a total.
    """

    job: JobDirectory
    spec: JobSpec
    definition: TrainingDefinition
    logger: logging.Logger
    options: LoadOptions = field(default_factory=LoadOptions)

    def load(self, data: Path) -> LoadedData:
        """
        Put the data into the folder *data*. Safe to repeat.

        :raises VersionNotHeld: a container does not have the version of its source.
        :raises StoreError: a container cannot be listed, or an object not be fetched.
        :raises HostError: the disk has too little room, or a mounted folder is missing.
        """
        started_at, events = time.monotonic(), self.options.events
        with ExitStack() as stores:
            listed = self._list_sources(data, stores)
            plans = [one.plan for one in listed]
            require_room(self.options.fetcher.room_needed(plans), self.options.get_space)
            files = sum(len(one.planned) for one in plans)
            counter = LoadCounter(files, sum(planned.size for one in plans for planned in one.planned), events)
            if files:
                events.on_begin()
            manifests = [self._load_source(one, counter) for one in listed]
        mounts = find_mounts(self.job, self.spec, self.definition)
        link_mounts(mounts, data)
        manifests = self._with_mounts(manifests, mounts)
        report = DataReport(
            sources=tuple(one.source for one in manifests), seconds=round(time.monotonic() - started_at, 3)
        )
        return LoadedData(report, tuple(manifests), mounts)

    def _list_sources(self, data: Path, stores: ExitStack) -> list[_ListedSource]:
        from airflow_dlaas.storage.open_object_store import OpenOptions, open_object_store
        from airflow_dlaas.storage.transfer.plan import planned_downloads

        sources = self.definition.training_data
        open_options = OpenOptions(require_allowed=self.spec.object_stores.require_allowed)
        opened: dict[StoreConnection, OpenedStore] = {}
        found = []
        for one, folder in zip(sources, source_folders([one.source for one in sources]), strict=True):
            if not isinstance(one.source, DataContainerRef) or one.connection is None:
                continue
            self.options.events.require_going_on()
            if (store := opened.get(one.connection)) is None:
                store = stores.enter_context(open_object_store(one.connection, open_options))
                opened[one.connection] = store
            self.logger.info("Loading container %s", _source_text(one.source, folder))
            selection = list_source(store, one.source, self.logger)
            planned = planned_downloads(selection.objects, selection.folder)
            plan = PlannedSource(store, store.account_url, one.source.container, planned, data / folder, folder)
            found.append(_ListedSource(one.source, folder, selection, plan))
        return found

    def _load_source(self, listed: _ListedSource, counter: LoadCounter) -> SourceManifest:
        started_at, plan = time.monotonic(), listed.plan
        plan.root.mkdir(parents=True, exist_ok=True)
        fetched = self.options.fetcher.fetch(plan, counter.source_callback()) if plan.planned else FetchReport()
        size = sum(one.size for one in plan.planned)
        self.logger.info(
            "Loaded container %s: %d files, %d bytes in %.1f s; %d files were in the cache of the machine",
            plan.container,
            len(plan.planned),
            size,
            time.monotonic() - started_at,
            fetched.cached_files,
        )
        objects = listed.selection.files
        report = DataSourceReport(
            name=listed.source.container,
            type=listed.source.type,
            folder="" if listed.folder == "." else listed.folder,
            prefix=listed.selection.folder.rstrip("/") or None,
            version=data_version(objects),
            files=len(plan.planned),
            bytes=size,
            cached_files=fetched.cached_files,
            cached_bytes=fetched.cached_bytes,
        )
        return SourceManifest(source=report, objects=objects)

    def _with_mounts(self, containers: Sequence[SourceManifest], mounts: Sequence[Mount]) -> list[SourceManifest]:
        """Return the manifests of *containers* and *mounts* in the order of the definition; log where mounts are."""
        of_containers, of_mounts = iter(containers), iter(mounts)
        found = []
        for one in self.definition.training_data:
            if isinstance(one.source, MountRef):
                mount = next(of_mounts)
                self.logger.info(
                    "%s is mounted, %s; it is not copied",
                    mount.named,
                    _access_text(mount, is_isolated=self.options.is_isolated),
                )
                folder = "" if mount.folder == "." else mount.folder
                report = DataSourceReport(name=str(mount.named), type=one.source.type, folder=folder)
                found.append(SourceManifest(source=report, objects=()))
            else:
                found.append(next(of_containers))
        return found


def _access_text(mount: Mount, *, is_isolated: bool) -> str:
    if mount.writable:
        return "and the command may change it"
    if is_isolated:
        return "read-only"
    return "read-only by intention: the command is not isolated, so it can change what this user can"


def _source_text(source: DataContainerRef, folder: str) -> str:
    text = source.container
    if source.prefix:
        text += f", prefix {source.prefix}"
    if source.version is not None:
        text += f", version {source.version}"
    return text + (f", into folder {folder}" if folder != "." else "")
