"""Uploads results and logs of a training, also after a failure or a cancellation."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.exceptions import ContainerNotFound, StoreError, StoreRefused
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.log_file import progress_text, throttled
from airflow_dlaas.service.learner.marker import store_marker
from airflow_dlaas.service.learner.result_files import ResultFiles, UnstoredFile, find_result_files, printable_name

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import ObjectStore
    from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
    from airflow_dlaas.storage.transfer.worker_pool import Progress, ProgressCallback

MAX_LOGGED_FILES = 1000
"""Unstored files that ``store-results.log`` names."""

MAX_FAILED_FILES = 100
"""Single files that the store may refuse before the rest is given up."""


@dataclass(frozen=True, slots=True)
class UploadReport:
    """The outcome of an upload."""

    stored_count: int
    """Objects that are in the results container now."""
    skipped: tuple[UnstoredFile, ...] = ()
    """Files that cannot be stored by their nature: name, type, links."""
    failed: tuple[UnstoredFile, ...] = ()
    """Files that the store refused; a later attempt may succeed."""


def upload_results(
    job: JobDirectory, spec: JobSpec, definition: TrainingDefinition, logger: logging.Logger, *, sandboxed: bool
) -> UploadReport:
    """
    Upload model and checkpoints to the results container; files that cannot be stored do not stop the others.

    Safe to repeat: an object with the same content is not sent again.

    :raises StoreError: the store refuses every file, or cannot be reached.
    """
    result_files = find_result_files(job, spec.results_folder, sandboxed=sandboxed)
    for one in result_files.skipped[:MAX_LOGGED_FILES]:
        logger.warning("Not stored: %s", one)
    if len(result_files.skipped) > MAX_LOGGED_FILES:
        logger.warning("Not stored: %d more", len(result_files.skipped) - MAX_LOGGED_FILES)
    return _upload_files(spec, result_files, result_files.results, definition, logger)


def upload_logs(
    job: JobDirectory, spec: JobSpec, definition: TrainingDefinition, logger: logging.Logger, *, sandboxed: bool
) -> UploadReport:
    """
    Upload the logs. Safe to repeat.

    :raises StoreError: the store refuses every file, or cannot be reached.
    """
    result_files = find_result_files(job, spec.results_folder, sandboxed=sandboxed)
    return _upload_files(spec, result_files, result_files.logs, definition, logger)


def _upload_files(
    spec: JobSpec,
    result_files: ResultFiles,
    files: Mapping[str, Path],
    definition: TrainingDefinition,
    logger: logging.Logger,
) -> UploadReport:
    from airflow_dlaas.storage.open_object_store import OpenOptions, open_object_store
    from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache

    started_at, results, log_progress = time.monotonic(), definition.results_store, throttled(logger)
    logger.info("Storing %d files in container %s", len(files), results.target.container)

    def progress(at: Progress) -> None:
        log_progress(lambda: progress_text(at))

    options = OpenOptions(require_allowed=spec.object_stores.require_allowed)
    with open_object_store(results.connection, options) as store:
        store_marker(store, results.target.container, spec.training_id, logger)
        bisecting_upload = BisectingUpload(store, results.target.container, ChecksumCache(), progress)
        bisecting_upload.upload(files)
    # Removed, or made unreadable, since they were found.
    unreadable = [one for one in bisecting_upload.failed if not os.access(files[one], os.R_OK)]
    skipped = (*result_files.skipped, *(_unstored_file(spec, one, "it can no longer be read") for one in unreadable))
    failed = tuple(
        _unstored_file(spec, one, why) for one, why in bisecting_upload.failed.items() if one not in unreadable
    )
    for one in failed[:MAX_LOGGED_FILES]:
        logger.warning("Not stored: %s", one)
    stored, seconds = len(files) - len(bisecting_upload.failed), time.monotonic() - started_at
    logger.info("Stored %d of %d files in %.1f s", stored, len(files), seconds)
    return UploadReport(stored, skipped, failed)


def _unstored_file(spec: JobSpec, name: str, reason: str) -> UnstoredFile:
    return UnstoredFile(printable_name(name.removeprefix(f"{spec.results_folder}/")), reason)


class BisectingUpload:
    """Uploads files so that a refused file does not stop the others. ``failed`` has the reason by name."""

    def __init__(
        self,
        store: ObjectStore,
        container: str,
        checksum_cache: ChecksumCache,
        progress: ProgressCallback | None = None,
    ) -> None:
        self._store = store
        self._container = container
        self._checksum_cache = checksum_cache
        self._progress = progress
        self.failed: dict[str, str] = {}

    def upload(self, files: Mapping[str, Path]) -> None:
        """
        Upload all of *files*; if that fails, upload each half by itself, down to the single files that fail.

        Later attempts find stored files unchanged and do not send them again.

        :raises StoreError: the store refuses the credentials, has no such container, or may succeed later.
        """
        from airflow_dlaas.storage.transfer.api import UploadOptions, upload

        try:
            upload(
                self._store,
                files,
                self._container,
                UploadOptions(checksum_cache=self._checksum_cache, progress=self._progress),
            )
        except (StoreRefused, ContainerNotFound):
            raise
        except StoreError as error:
            if error.transient:
                raise
            if len(files) <= 1 or len(self.failed) >= MAX_FAILED_FILES:
                self._store.check(self._container)  # raises if the cause is not the file
                self.failed.update(dict.fromkeys(files, str(error)))
                return
            names = list(files)
            for half in (names[: len(names) // 2], names[len(names) // 2 :]):
                self.upload({name: files[name] for name in half})
