"""Restores the newest complete checkpoint before the command begins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_dlaas.contract.base import format_time
from airflow_dlaas.contract.byte_size import format_bytes
from airflow_dlaas.exceptions import ContainerNotFound
from airflow_dlaas.service.checkpoints.manifest import CheckpointManifest
from airflow_dlaas.service.checkpoints.manifest_checks import DamagedCheckpoint
from airflow_dlaas.service.job_files import JobDirectory, remove_folder, write_job_file
from airflow_dlaas.service.job_reports import CheckpointsFile
from airflow_dlaas.service.job_spec import CheckpointSource, JobSpec
from airflow_dlaas.service.learner.command_env import CHECKPOINTS, LOGS, RESTORED
from airflow_dlaas.service.learner.job_storage import JobStorage
from airflow_dlaas.service.learner.log_file import file_logger, throttled
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.storage_retry import with_storage_retry

if TYPE_CHECKING:
    from airflow_dlaas.service.checkpoints.find import StoredManifest
    from airflow_dlaas.storage.object_store import ObjectStore
    from airflow_dlaas.storage.transfer.worker_pool import ProgressCallback

RESTORE_LOG = "load-data.log"

PROGRESS_INTERVAL = 10.0
"""Seconds between two lines of progress, at least."""


@dataclass(slots=True)
class CheckpointRestore:
    """
    Restores into CHECKPOINT_DIR the newest complete checkpoint of the training's earlier attempts or, without any, that
    of the first of `JobSpec.checkpoint_sources` that has one.

    Of a damaged checkpoint, the log has the reason, and the next older one is restored. A store that does not answer
    never means that there is no checkpoint.
    """

    job: JobDirectory
    spec: JobSpec
    storage: JobStorage
    log: LogWriter
    """The command's log. It has the same lines as ``load-data.log``."""
    get_timeout: Callable[[], float]
    """Returns the seconds after which retries end."""
    _damaged: set[StoredManifest] = field(default_factory=set)
    _begun: StoredManifest | None = None
    """The checkpoint that was restored in part, so that a retry continues with it."""

    def run(self) -> CheckpointManifest | None:
        """
        Restore a checkpoint; return its manifest, or None if there is none. Does nothing for a first attempt that
        begins anew.

        :raises StoreError: the store cannot be reached, or refuses a request.
        :raises HostError: the disk is full, or the folder cannot be written.
        :raises OSError: as `HostError`.
        """
        from airflow_dlaas.service.checkpoints.restore import empty_folder

        sources = self._sources()
        if not sources:
            return None
        logger = self._logger()
        empty_folder(self.job.subdirectory(CHECKPOINTS))
        manifest = with_storage_retry(
            lambda: self._restore_newest(sources, logger),
            what="Restoring the checkpoint",
            get_timeout=self.get_timeout,
            logger=logger,
        )
        remove_folder(self.job.subdirectory(RESTORED))  # of a damaged one, or of an attempt that was lost
        is_own = manifest is not None and manifest.training_id == self.spec.training_id
        checkpoints = CheckpointsFile(
            newest=manifest.report if manifest is not None and is_own else None,
            resumed_from=None if manifest is None else manifest.reference,
        )
        write_job_file(self.job.checkpoints, checkpoints)
        if manifest is not None:
            logger.info("%s", describe_start(self.spec, manifest))
        else:
            names = ", ".join(one.training_id for one in sources)
            logger.info(
                "Attempt %d begins without a checkpoint: there is no complete one of %s", self.spec.attempt, names
            )
        return manifest

    def _sources(self) -> list[CheckpointSource]:
        container = self.storage.results_container
        if container is None:
            return []
        own = [CheckpointSource(training_id=self.spec.training_id, container=container)]
        return [*(own if self.spec.attempt > 1 else ()), *self.spec.checkpoint_sources]

    def _restore_newest(self, sources: list[CheckpointSource], logger: logging.Logger) -> CheckpointManifest | None:
        with self.storage.open_results_store() as store:
            for source in sources:
                for stored in self._list(store, source, logger):
                    if stored in self._damaged:
                        continue
                    try:
                        return self._restore(store, stored, logger)
                    except DamagedCheckpoint as error:
                        self._damaged.add(stored)
                        logger.warning("Not restored: %s (%s). The next older one is used", stored, error)
        return None

    def _list(self, store: ObjectStore, source: CheckpointSource, logger: logging.Logger) -> Iterator[StoredManifest]:
        from airflow_dlaas.service.checkpoints.find import list_manifests

        is_own = source.training_id == self.spec.training_id
        try:
            yield from list_manifests(
                store, source.container, source.training_id, before_attempt=self.spec.attempt if is_own else None
            )
        except ContainerNotFound as error:
            logger.warning("There is no checkpoint of %s: %s", source.training_id, error)

    def _restore(self, store: ObjectStore, stored: StoredManifest, logger: logging.Logger) -> CheckpointManifest:
        from airflow_dlaas.service.checkpoints.find import read_manifest
        from airflow_dlaas.service.checkpoints.restore import empty_folder, restore_checkpoint

        manifest, folder = read_manifest(store, stored), self.job.subdirectory(RESTORED)
        if stored != self._begun:
            empty_folder(folder)
            self._begun = stored
        restore_checkpoint(store, stored.container, manifest, folder, _progress_logger(logger))
        folder.rename(self.job.subdirectory(CHECKPOINTS))  # which is empty
        return manifest

    def _logger(self) -> logging.Logger:
        logger = file_logger(self.job.subdirectory(LOGS) / RESTORE_LOG, self.log.mask)
        logger.addHandler(_CommandLogHandler(self.log))
        return logger


class _CommandLogHandler(logging.Handler):
    """Writes messages into the command's log."""

    def __init__(self, log: LogWriter) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.write_message(self.format(record))


def describe_start(spec: JobSpec, manifest: CheckpointManifest) -> str:
    """Return the line of the log about the checkpoint that an attempt begins with."""
    report = manifest.report
    training = f" of {manifest.training_id}" if manifest.training_id != spec.training_id else ""
    files = "1 file" if report.files == 1 else f"{report.files:,} files"
    return (
        f"Attempt {spec.attempt} begins with checkpoint {report.number} of attempt {report.attempt}{training} "
        f"({files}, {format_bytes(report.bytes)}, stored at {format_time(report.stored_at)})"
    )


def _progress_logger(logger: logging.Logger) -> ProgressCallback:
    from airflow_dlaas.storage.transfer.progress_logger import format_progress

    started_at, log_progress = time.monotonic(), throttled(logger, PROGRESS_INTERVAL)
    return lambda at: log_progress(
        lambda: f"Restoring the checkpoint: {format_progress(at, time.monotonic() - started_at)}"
    )
