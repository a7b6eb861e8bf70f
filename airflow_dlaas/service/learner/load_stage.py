"""The stage that loads the training data: with retries, its progress in data.json and in the logs, and its manifest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas.contract.data_manifest import MANIFEST_BASENAME, DataManifest
from airflow_dlaas.contract.data_report import DataReport, LoadProgress
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.stores import DataContainerRef
from airflow_dlaas.service.job_files import write_job_file
from airflow_dlaas.service.job_reports import DataFile
from airflow_dlaas.service.learner import command_env
from airflow_dlaas.service.learner.data_fetch import DataFetcher, DirectFetcher
from airflow_dlaas.service.learner.data_selection import VersionNotHeld
from airflow_dlaas.service.learner.job_context import JobContext
from airflow_dlaas.service.learner.job_result import StageError, stage_errors
from airflow_dlaas.service.learner.load_data import LoadedData, LoadOptions
from airflow_dlaas.service.learner.load_progress import LoadEvents, progress_line
from airflow_dlaas.service.learner.log_file import throttled
from airflow_dlaas.service.learner.mounts import MountRefused
from airflow_dlaas.service.learner.storage_retry import with_storage_retry
from airflow_dlaas.service.learner.store_outputs import retry_timeout

LOAD_LOG = "load-data.log"

COMMAND_LOG_INTERVAL = 30.0
"""Seconds between two lines of progress in the command's log, at least: it is read by people while they wait."""


@contextmanager
def data_errors() -> Iterator[None]:
    """Convert errors of training data: C101 and C103 for those that only the author can correct, otherwise S302."""
    with stage_errors("S302"):
        try:
            yield
        except MountRefused as error:
            raise StageError("C101", str(error)) from error
        except VersionNotHeld as error:
            raise StageError("C103", str(error)) from error


def empty_source_lines(definition: TrainingDefinition, report: DataReport) -> list[str]:
    """
    Return a line for each source whose prefix or patterns select no data: they may have a typo.

    A whole container without data needs none: it may be there for the results only.
    """
    return [
        f"Container {one.name!r} has no data"
        + (f" under {one.prefix + '/'!r}" if one.prefix else "")
        + " that this source selects; its folder is empty"
        for source, one in zip((one.source for one in definition.training_data), report.sources, strict=False)
        if one.files == 0 and isinstance(source, DataContainerRef) and source.is_selection
    ]


@dataclass(frozen=True, slots=True)
class LoadStage:
    """Loads the data of one job, in a thread beside other stages."""

    context: JobContext
    on_begin: Callable[[], object]
    """Called before the first byte, if there is something to load."""
    held: ExitStack
    """Receives the cache, which is in use until the command has ended."""
    _stopped: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Let `run` end at its next step."""
        self._stopped.set()

    def run(self) -> LoadedData:
        """
        Load the data; data.json has what was read afterwards, and the job's folder the manifest.

        :raises StageError: it cannot be loaded.
        """
        context, logger = self.context, self.context.logger(LOAD_LOG)
        log_progress, log_rarely = throttled(logger), throttled(logger, COMMAND_LOG_INTERVAL, self._write_line)

        def on_progress(at: LoadProgress) -> None:
            with suppress(OSError):  # a full disk: loading reports it
                write_job_file(context.job.data_report, DataFile(loading=at, attempt=context.spec.attempt))
            for log in (log_progress, log_rarely):
                log(partial(progress_line, at))

        events = LoadEvents(self.on_begin, on_progress, self._stopped.is_set)
        data = context.job.subdirectory(command_env.DATA)
        with data_errors():
            is_isolated = context.isolation.mode != "none"
            options = LoadOptions(events, self._open_fetcher(logger), is_isolated=is_isolated)
            loaded = with_storage_retry(
                lambda: context.storage.load_data(data, logger, options),
                what="Loading the data",
                get_timeout=self._retry_timeout,
                logger=logger,
            )
            self._write_report(loaded)
        for line in empty_source_lines(context.definition, loaded.report):
            self._write_line(line)
        return loaded

    def _open_fetcher(self, logger: logging.Logger) -> DataFetcher:
        context = self.context
        if context.spec.data_cache is None or not context.definition.data_containers:
            return DirectFetcher()
        from airflow_dlaas.service.learner.cached_fetch import open_fetcher

        return open_fetcher(context.job, context.spec, context.isolation.mode, self.held, logger)

    def _write_line(self, line: str) -> None:
        self.context.log.write_message(f"Loading the data: {line}")

    def _retry_timeout(self) -> float:
        return 0.0 if self._stopped.is_set() else retry_timeout(self.context.waker)

    def _write_report(self, loaded: LoadedData) -> None:
        job, spec, report = self.context.job, self.context.spec, loaded.report
        if spec.folders is None:
            manifest = DataManifest(training_id=spec.training_id, sources=loaded.sources)
            atomic_write_text(job.data_manifest, manifest.model_dump_json(exclude_none=True))
            report = report.model_copy(update={"manifest": f"{spec.results_folder}/{MANIFEST_BASENAME}"})
        write_job_file(job.data_report, DataFile(report=report, attempt=spec.attempt))
