"""
Where a job's data comes from, and where its results go: the object stores of its definition, or folders of the machine.

The lifecycle is the same for both. The spec decides which of the two it is (`JobSpec.folders`).
"""

from __future__ import annotations

import importlib
import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner import local_folders
from airflow_dlaas.service.learner.earlier_results import delete_earlier_results
from airflow_dlaas.service.learner.load_data import LOAD_OPTIONS, DataLoader, LoadedData, LoadOptions
from airflow_dlaas.service.learner.upload_results import UploadReport, upload_logs, upload_results

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import ObjectStore


class JobStorage(Protocol):
    """The data and the results of one job. Each method is safe to repeat."""

    def load_data(self, data: Path, logger: logging.Logger, options: LoadOptions = LOAD_OPTIONS) -> LoadedData:
        """
        Put the training data into the folder *data*; return what it is.

        :raises StoreError: it cannot be loaded; a transient error is worth a retry.
        :raises OSError: the folder cannot be written.
        """

    def store_results(self, logger: logging.Logger, *, sandboxed: bool) -> UploadReport:
        """
        Store model and checkpoints; files that cannot be stored do not stop the others.

        :param sandboxed: the command ran in bubblewrap, so its /tmp was a folder of the job.
        :raises StoreError, OSError: nothing can be stored.
        """

    def store_logs(self, logger: logging.Logger, *, sandboxed: bool) -> UploadReport:
        """Store the logs, as `store_results` does."""

    def delete_earlier_results(self, logger: logging.Logger) -> None:
        """
        Delete the results of the attempts before this one, whose own are stored.

        :raises StoreError: as for `load_data`.
        """

    @property
    def results_container(self) -> str | None:
        """The container for checkpoints during the run; None if there is no object store."""

    def open_results_store(self) -> AbstractContextManager[ObjectStore]:
        """Open the object store of `results_container`; sends no request yet."""


@dataclass(frozen=True, slots=True)
class ObjectStorage:
    """The object stores of the definition."""

    job: JobDirectory
    spec: JobSpec
    definition: TrainingDefinition

    def load_data(self, data: Path, logger: logging.Logger, options: LoadOptions = LOAD_OPTIONS) -> LoadedData:
        """Load the containers of training data, and link the mounted folders."""
        return DataLoader(self.job, self.spec, self.definition, logger, options).load(data)

    def store_results(self, logger: logging.Logger, *, sandboxed: bool) -> UploadReport:
        """Upload model and checkpoints to the results container."""
        return upload_results(self.job, self.spec, self.definition, logger, sandboxed=sandboxed)

    def store_logs(self, logger: logging.Logger, *, sandboxed: bool) -> UploadReport:
        """Upload the logs to the results container."""
        return upload_logs(self.job, self.spec, self.definition, logger, sandboxed=sandboxed)

    def delete_earlier_results(self, logger: logging.Logger) -> None:
        """Delete the results of earlier attempts from the results container."""
        with self.open_results_store() as store:
            delete_earlier_results(store, self.results_container, self.spec.training_id, self.spec.attempt, logger)

    @property
    def results_container(self) -> str:
        """The container of the results."""
        return self.definition.results_store.target.container

    def open_results_store(self) -> AbstractContextManager[ObjectStore]:
        """Open the object store of the results."""
        from airflow_dlaas.storage.open_object_store import OpenOptions, open_object_store

        connection = self.definition.results_store.connection
        return open_object_store(connection, OpenOptions(require_allowed=self.spec.object_stores.require_allowed))


def open_job_storage(job: JobDirectory, spec: JobSpec, definition: TrainingDefinition) -> JobStorage:
    """Return the storage of *job*; calls no object store yet."""
    if spec.folders is not None:
        return local_folders.LocalFolders(job, spec.results_folder, spec.folders)
    # The slowest import, needed soon: it runs while the code is unpacked.
    Thread(target=importlib.import_module, args=["airflow_dlaas.storage.swift.store"], daemon=True).start()
    return ObjectStorage(job, spec, definition)
