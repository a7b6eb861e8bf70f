"""Data and results of a job in folders of this machine, without an object store."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_dlaas.contract.data_report import DataReport, DataSourceReport
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobFolders
from airflow_dlaas.service.learner.load_data import LOAD_OPTIONS, LoadedData, LoadOptions
from airflow_dlaas.service.learner.mounts import replace_by_link
from airflow_dlaas.service.learner.result_files import UnstoredFile, find_result_files, printable_name
from airflow_dlaas.service.learner.upload_results import UploadReport

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class LocalFolders:
    """
    The folders of one job.

    Data is linked and never copied or changed: in a sandbox it is read-only (`sandbox.sandbox_argv`); without one, the
    command has the user's own rights. Results are hard links to the files of the job directory, which is removed
    afterwards; on another file system, and for further names of one file, they are copies.
    """

    job: JobDirectory
    results_folder: str
    """The folder that a container would have for the results (`JobSpec.results_folder`)."""
    folders: JobFolders

    def load_data(self, data: Path, logger: logging.Logger, options: LoadOptions = LOAD_OPTIONS) -> LoadedData:  # noqa: ARG002  (of the interface)
        """
        Make *data* a link to the folder of data; several folders become links in it, one for each name.

        Nothing is copied, so the report has the folders without their files.

        :raises HostError: a folder of data does not exist any more.
        """
        for one in self.folders.data:
            if not one.path.exists():
                raise HostError(f"The training data {one.path} does not exist any more")
        if len(self.folders.data) == 1 and self.folders.data[0].path.is_dir():
            replace_by_link(data, self.folders.data[0].path)
        else:
            for one in self.folders.data:
                name = one.path.name if len(self.folders.data) == 1 else one.name
                replace_by_link(data / name, one.path)
        for one in self.folders.data:
            logger.info("The data is in %s; it is not copied", one.path)
        is_single = len(self.folders.data) == 1
        sources = (
            DataSourceReport(name=str(one.path), type=StoreType.MOUNT, folder="" if is_single else one.name)
            for one in self.folders.data
        )
        return LoadedData(DataReport(sources=tuple(sources)))

    def store_results(self, logger: logging.Logger, *, sandboxed: bool) -> UploadReport:
        """Link model and checkpoints into the folder of results."""
        found = find_result_files(self.job, self.results_folder, sandboxed=sandboxed)
        for one in found.skipped:
            logger.warning("Not stored: %s", one)
        return self._store_files(found.results, tuple(found.skipped), logger)

    def store_logs(self, logger: logging.Logger, *, sandboxed: bool) -> UploadReport:
        """Link the logs into the folder of results."""
        found = find_result_files(self.job, self.results_folder, sandboxed=sandboxed)
        return self._store_files(found.logs, tuple(found.skipped), logger)

    def delete_earlier_results(self, logger: logging.Logger) -> None:
        """Do nothing: such a job has one attempt."""

    @property
    def results_container(self) -> None:
        """There is no object store: the folders themselves are there."""
        return

    def open_results_store(self) -> AbstractContextManager[ObjectStore]:
        """Refuse it: see `results_container`."""
        raise HostError("Folders of this machine are no object store")

    def _store_files(
        self, files: Mapping[str, Path], skipped: tuple[UnstoredFile, ...], logger: logging.Logger
    ) -> UploadReport:
        failed = []
        for name, path in files.items():
            relative_name = name.removeprefix(f"{self.results_folder}/")
            try:
                _store_file(path, self.folders.results / relative_name)
            except OSError as error:
                failed.append(UnstoredFile(printable_name(relative_name), error.strerror or str(error)))
                logger.warning("Not stored: %s", failed[-1])
        logger.info("Stored %d of %d files in %s", len(files) - len(failed), len(files), self.folders.results)
        return UploadReport(len(files) - len(failed), skipped, tuple(failed))


def _store_file(source: Path, target: Path) -> None:
    """
    Give the content of *source* the name *target* too; a file there is replaced.

    A file with several names becomes several files, as in an object store: a change of one leaves the others.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if source.lstat().st_nlink == 1:
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError:  # another file system, or one without hard links
            pass
        else:
            return
    shutil.copy2(source, target, follow_symlinks=False)
