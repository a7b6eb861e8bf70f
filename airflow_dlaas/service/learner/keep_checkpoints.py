"""The checkpoints of a job: stored while its command runs, and a last one from its results."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_dlaas._util.threads import background_thread
from airflow_dlaas.contract.attempts import CheckpointReport
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.exceptions import StoreUnreachable
from airflow_dlaas.service.job_files import JobDirectory, read_job_file, write_job_file
from airflow_dlaas.service.job_reports import CheckpointsFile
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.command_env import CHECKPOINTS, LOGS
from airflow_dlaas.service.learner.command_process import CommandResult
from airflow_dlaas.service.learner.job_storage import JobStorage
from airflow_dlaas.service.learner.log_file import file_logger
from airflow_dlaas.service.learner.marker import store_marker
from airflow_dlaas.service.learner.result_files import LEARNER_LOG, OBJECT_PREFIXES, find_result_files
from airflow_dlaas.service.learner.secret_mask import SecretMask

if TYPE_CHECKING:
    from airflow_dlaas.service.checkpoints.keeper import CheckpointKeeper, LastLook
    from airflow_dlaas.service.checkpoints.snapshot import FoundFile
    from airflow_dlaas.service.checkpoints.store_checkpoint import CheckpointSender
    from airflow_dlaas.service.checkpoints.stored_entries import StoredCheckpoint
    from airflow_dlaas.storage.object_store import StoredObject

CHECKPOINTS_LOG = "checkpoints.log"
"""The log of what was stored and how long that took; it is stored with the results."""

STAGING = "staging"
"""The folder in the job directory for hard links to files that are being sent. The sandbox does not show it."""

END_TIMEOUT = 10.0
"""Seconds to wait for the keeper at the end of the command; it waits for its store itself for fewer."""

MAX_NAMED_FILES = 5
"""Files that the warning about those that no checkpoint contains names."""

SIGNAL_EXIT_CODES = 128
"""The first exit code that stands for a signal: bash has 128 + N for a command that signal N ended."""


def is_clean_end(ended: CommandResult, recovered_codes: Collection[int]) -> bool:
    """
    Return whether the command ended by itself, so that what it has written is complete.

    :param recovered_codes: exit codes with which the command asks for the next attempt.
    """
    if ended.was_stopped:
        return not ended.was_killed and ended.exit_code < SIGNAL_EXIT_CODES
    return ended.exit_code == 0 or (ended.exit_code in recovered_codes and ended.exit_code < SIGNAL_EXIT_CODES)


@dataclass(slots=True)
class JobCheckpoints:
    """The checkpoints of one attempt. There are none without an object store, or if the service keeps none."""

    job: JobDirectory
    spec: JobSpec
    definition: TrainingDefinition
    storage: JobStorage
    mask: SecretMask
    _keeper: CheckpointKeeper | None = field(default=None, init=False)
    _last: LastLook | None = field(default=None, init=False)

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Store each complete state of CHECKPOINT_DIR while the block runs; then give up what is being sent."""
        container = self.storage.results_container
        if container is None or self.spec.checkpoints_kept == 0:
            yield
            return
        self._keeper = self._create_keeper(container)
        try:
            with background_thread(self._keeper.run, name="checkpoints", join_timeout=END_TIMEOUT):
                yield
        finally:
            self._keeper.clear()

    def end(self, ended: CommandResult) -> None:
        """Look for the last time: all processes of the command have ended."""
        if self._keeper is not None:
            recovery = self.definition.recovery
            is_clean = is_clean_end(ended, () if recovery is None else recovery.exit_codes)
            self._last = self._keeper.look_last(is_clean=is_clean)

    def store_last(self, logger: logging.Logger, *, sandboxed: bool) -> bool:
        """
        Store the last checkpoint, after the results, whose objects it consists of. Safe to repeat.

        :return: whether there is one.
        :raises StoreError: the store cannot be reached, or refuses.
        :raises OSError: a file cannot be read.
        """
        from airflow_dlaas.service.checkpoints.result_objects import last_entries

        keeper, last = self._keeper, self._last
        if keeper is None or last is None:
            return False
        if not keeper.is_stopped:
            raise StoreUnreachable("An earlier checkpoint is still being sent")  # which is worth a retry
        objects = self._checkpoint_objects(keeper.sender.target.container, sandboxed=sandboxed)
        entries = last_entries(last, objects, lambda found: self._md5_of(keeper.sender, found))
        if not entries:
            logger.warning("The last checkpoint is not stored: one of its files is not among the results")
            return False
        checkpoint = keeper.sender.store_last(entries)
        self._events().stored(checkpoint, 0.0)
        return True

    def _create_keeper(self, container: str) -> CheckpointKeeper:
        # Here, because they import the modules of transfers, which cost time at the learner's start.
        from airflow_dlaas.service.checkpoints.keeper import CheckpointKeeper
        from airflow_dlaas.service.checkpoints.staging import StagingFolder
        from airflow_dlaas.service.checkpoints.store_checkpoint import CheckpointSender
        from airflow_dlaas.service.checkpoints.stored_entries import CheckpointTarget

        spec, logger = self.spec, self._logger(CHECKPOINTS_LOG)
        target = CheckpointTarget(
            container=container,
            training_id=spec.training_id,
            attempt=spec.attempt,
            kept=spec.checkpoints_kept,
            open_store=self.storage.open_results_store,
            before_first=lambda store: store_marker(store, container, spec.training_id, logger),
        )
        resumed_from = self._read_file().resumed_from
        is_own = resumed_from is not None and resumed_from.training_id == spec.training_id
        return CheckpointKeeper(
            self.job.subdirectory(CHECKPOINTS),
            StagingFolder(self.job.subdirectory(STAGING)),
            CheckpointSender(target),
            self._events(),
            resumed_from=resumed_from if is_own else None,
        )

    def _checkpoint_objects(self, container: str, *, sandboxed: bool) -> dict[str, StoredObject]:
        """Return the objects of the results that have files of CHECKPOINT_DIR, by path."""
        prefix = f"{self.spec.results_folder}/{OBJECT_PREFIXES[CHECKPOINTS]}"
        files = find_result_files(self.job, self.spec.results_folder, sandboxed=sandboxed).results
        folder = Path(os.path.realpath(self.job.path)) / CHECKPOINTS
        with self.storage.open_results_store() as store:
            return {
                path: one
                for one in store.list_objects(container, prefix)
                if files.get(one.name) == folder / (path := one.name.removeprefix(prefix))
            }

    def _md5_of(self, sender: CheckpointSender, found: FoundFile) -> str:
        from airflow_dlaas.storage.body import md5_of

        return sender.md5_of(found) or md5_of(self.job.subdirectory(CHECKPOINTS) / found.path)

    def _events(self) -> _Events:
        return _Events(self.job, self._logger(CHECKPOINTS_LOG), self._logger(LEARNER_LOG), self._read_file())

    def _read_file(self) -> CheckpointsFile:
        return read_job_file(self.job.checkpoints, CheckpointsFile) or CheckpointsFile()

    def _logger(self, name: str) -> logging.Logger:
        return file_logger(self.job.subdirectory(LOGS) / name, self.mask)


@dataclass(frozen=True, slots=True)
class _Events:
    """Writes what the keeper reports into checkpoints.json and into the logs."""

    job: JobDirectory
    logger: logging.Logger
    learner_logger: logging.Logger
    file: CheckpointsFile
    """As the restore has written it."""

    def stored(self, checkpoint: StoredCheckpoint, seconds: float) -> None:
        report = checkpoint.manifest.report
        self.logger.info(
            "Stored checkpoint %d of attempt %d: %s; sent %s in %.2f s",
            report.number,
            report.attempt,
            _size_text(report.files, report.bytes),
            _size_text(checkpoint.sent_files, checkpoint.sent_bytes),
            seconds,
        )
        self._write_file(report)

    def failed(self, reason: str) -> None:
        for logger in (self.logger, self.learner_logger):
            logger.warning("A checkpoint could not be stored (%s); the next one is tried later", reason)

    def skipped(self, skipped: Mapping[str, str]) -> None:
        named = ", ".join(f"{path}: {reason}" for path, reason in list(skipped.items())[:MAX_NAMED_FILES])
        more = f", and {len(skipped) - MAX_NAMED_FILES} more" if len(skipped) > MAX_NAMED_FILES else ""
        self.logger.warning("No checkpoint contains: %s%s", named, more)

    def _write_file(self, report: CheckpointReport) -> None:
        try:
            write_job_file(self.job.checkpoints, self.file.model_copy(update={"newest": report}))
        except OSError as error:
            self.learner_logger.warning("checkpoints.json could not be written: %s", error.strerror)


def _size_text(files: int, size: int) -> str:
    return f"{files} {'file' if files == 1 else 'files'}, {size / 1024**2:.1f} MiB"
