"""The last stage of a job: its results and its logs are stored, however the stages before have ended."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from airflow_dlaas.exceptions import DlaasError
from airflow_dlaas.service.learner.job_result import (
    JobResult,
    StageError,
    stage_errors,
    with_upload_failure,
    with_upload_report,
)
from airflow_dlaas.service.learner.job_storage import JobStorage
from airflow_dlaas.service.learner.keep_checkpoints import JobCheckpoints
from airflow_dlaas.service.learner.log_file import file_logger
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.signal_waker import SignalWaker
from airflow_dlaas.service.learner.storage_retry import CANCELED_RETRY_TIMEOUT, RETRY_TIMEOUT, with_storage_retry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OutputStage:
    """Stores the results and the logs of one job."""

    storage: JobStorage
    checkpoints: JobCheckpoints
    waker: SignalWaker
    log: LogWriter
    """The command's log, which names the files that were not stored."""
    store_log: Path
    """The file for the log of this stage itself."""
    sandboxed: bool
    attempt: int = 1

    def run(self, result: JobResult) -> JobResult:
        """
        Store the results, the last checkpoint, which consists of them, then the logs; return *result* with the outcome.

        A cancellation no longer changes the command's result; it only shortens the retries of a store that does not
        answer.
        """
        reason_before, is_stored = result.reason, False
        get_timeout: Callable[[], float] = partial(retry_timeout, self.waker)
        try:
            report = self._store_with_retry(self.storage.store_results, get_timeout)
            result = with_upload_report(result, report, canceled=self.waker.canceled)
            result = self._store_last_checkpoint(result, get_timeout)
            is_stored = not report.failed
        except StageError as error:
            get_timeout = partial(float, CANCELED_RETRY_TIMEOUT)  # the full timeout was already used
            result = replace(result, keep_results=True)
            result = with_upload_failure(result, error.reason, canceled=self.waker.canceled)
        for one in result.warnings:
            self.log.write_message(one)
        if result.reason != reason_before:
            self.log.write_message(result.reason or "")
        try:
            logs = self._store_with_retry(self.storage.store_logs, get_timeout)
        except StageError as error:
            return replace(result, warnings=(*result.warnings, f"the logs were not stored: {error.reason}"))
        missing = tuple(f"not stored: {one}" for one in logs.failed)
        if self.attempt > 1 and is_stored:
            self._delete_earlier_results()
        return replace(result, stored=result.stored or logs.stored_count > 0, warnings=(*result.warnings, *missing))

    def _delete_earlier_results(self) -> None:
        """Delete the results of earlier attempts; if that fails, ``store-results.log`` has the reason."""
        logger = file_logger(self.store_log, self.log.mask)
        try:
            self.waker.run_in_thread(lambda: self.storage.delete_earlier_results(logger), cancellable=False)
        except (DlaasError, OSError) as error:
            logger.warning("Results of earlier attempts could not be deleted: %s", error)

    def _store_last_checkpoint(self, result: JobResult, get_timeout: Callable[[], float]) -> JobResult:
        """Store the last checkpoint; the training's outcome does not depend on it."""
        try:
            self._store_with_retry(self.checkpoints.store_last, get_timeout)
        except StageError as error:
            return replace(result, warnings=(*result.warnings, f"the last checkpoint was not stored: {error.reason}"))
        return result

    def _store_with_retry(self, store: Callable[..., T], get_timeout: Callable[[], float]) -> T:
        """
        Run *store*, with retries.

        :raises StageError: S303, also for a bug, so that exit code and log are kept.
        """
        logger = file_logger(self.store_log, self.log.mask)

        def once() -> T:
            return store(logger, sandboxed=self.sandboxed)

        try:
            with stage_errors("S303"):
                return self.waker.run_in_thread(
                    lambda: with_storage_retry(once, what="Storing the files", get_timeout=get_timeout, logger=logger),
                    cancellable=False,
                )
        except StageError as error:
            logger.error("%s", error.reason)
            raise
        except Exception as error:
            traceback.print_exc()  # into learner.log
            raise StageError("S303", f"internal error in the learner ({type(error).__name__})") from error


def retry_timeout(waker: SignalWaker) -> float:
    """Return the seconds after which retries of an object store end."""
    return CANCELED_RETRY_TIMEOUT if waker.canceled else RETRY_TIMEOUT
