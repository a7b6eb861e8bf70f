"""Stores what a training leaves behind; on failure and on cancel too."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.exceptions import ContainerNotFound, StoreError, StoreRefused
from airflow_dlaas.service.job_files import JobFolder, Spec
from airflow_dlaas.service.learner.log_file import now_and_then
from airflow_dlaas.service.learner.marker import store_marker
from airflow_dlaas.service.learner.result_files import LeftOut, Outcome, gather, printable

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import ObjectStore
    from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
    from airflow_dlaas.storage.transfer.worker_pool import Progress, ProgressCallback

NAMED = 1000
"""Lines about what was left out, in the log of storing."""

REFUSED = 100
"""Files that a store may refuse one by one before the others are not tried any more."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of storing."""

    files: int
    """Objects that lie in the results container now."""
    left_out: tuple[LeftOut, ...] = ()
    """What cannot be stored, by its nature."""
    refused: tuple[LeftOut, ...] = ()
    """Files that the store did not take; trying again may help."""


def store_results(
    job: JobFolder, spec: Spec, definition: TrainingDefinition, say: Callable[[str], None], *, sandboxed: bool
) -> Stored:
    """
    Upload model and checkpoints to the results container: whatever can be stored, even where something cannot.

    Safe to repeat: what lies there already, with the same content, is not sent again.

    :raises StoreError: the store takes nothing, or cannot be reached.
    """
    outcome = gather(job, spec.training_id, sandboxed=sandboxed)
    for one in outcome.left_out[:NAMED]:
        say(f"Left out: {one}")
    if len(outcome.left_out) > NAMED:
        say(f"Left out: {len(outcome.left_out) - NAMED} more")
    return _store(spec, outcome, outcome.results, definition, say)


def store_logs(
    job: JobFolder, spec: Spec, definition: TrainingDefinition, say: Callable[[str], None], *, sandboxed: bool
) -> Stored:
    """
    Upload the logs. Safe to repeat.

    :raises StoreError: the store takes nothing, or cannot be reached.
    """
    outcome = gather(job, spec.training_id, sandboxed=sandboxed)
    return _store(spec, outcome, outcome.logs, definition, say)


def _store(
    spec: Spec, outcome: Outcome, files: Mapping[str, Path], definition: TrainingDefinition, say: Callable[[str], None]
) -> Stored:
    from airflow_dlaas.storage.swift.store import SwiftStore
    from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache

    begun, results, maybe = time.monotonic(), definition.results_store, now_and_then(say)
    say(f"Storing {len(files)} files in container {results.target.container}")

    def progress(at: Progress) -> None:
        maybe(lambda: f"{at.files_done} of {at.files_total} files, {at.bytes_done} bytes")

    with SwiftStore.open(results.connection, require_allowed=spec.object_stores.require) as store:
        store_marker(store, results.target.container, spec.training_id, say)
        sending = Sending(store, results.target.container, ChecksumCache(), progress)
        sending.send(files)
    unreadable = [one for one in sending.failed if not os.access(files[one], os.R_OK)]  # gone since it was found
    left_out = (*outcome.left_out, *(_left_out(one, "it cannot be read any more") for one in unreadable))
    refused = tuple(_left_out(one, why) for one, why in sending.failed.items() if one not in unreadable)
    for one in refused[:NAMED]:
        say(f"Not stored: {one}")
    say(f"Stored {len(files) - len(sending.failed)} of {len(files)} files in {time.monotonic() - begun:.1f} s")
    return Stored(len(files) - len(sending.failed), left_out, refused)


def _left_out(name: str, why: str) -> LeftOut:
    return LeftOut(printable(name.partition("/")[2]), why)


class Sending:
    """Uploads files so that one that fails takes no other with it. ``failed`` has the reason for each by name."""

    def __init__(
        self, store: ObjectStore, container: str, known: ChecksumCache, progress: ProgressCallback | None = None
    ) -> None:
        self._store = store
        self._container = container
        self._known = known
        self._progress = progress
        self.failed: dict[str, str] = {}

    def send(self, files: Mapping[str, Path]) -> None:
        """
        Upload all of *files*; where that fails, each half by itself, down to the single files that fail.

        What has arrived is found unchanged by later attempts, and not sent again.

        :raises StoreError: the store refuses the credentials, has no such container, or may succeed later.
        """
        from airflow_dlaas.storage.transfer.api import upload

        try:
            upload(self._store, files, self._container, checksum_cache=self._known, progress=self._progress)
        except (StoreRefused, ContainerNotFound):
            raise
        except StoreError as error:
            if error.transient:
                raise
            if len(files) <= 1 or len(self.failed) >= REFUSED:
                self._store.check(self._container)  # raises where it is no file's fault
                self.failed.update(dict.fromkeys(files, str(error)))
                return
            names = list(files)
            for half in (names[: len(names) // 2], names[len(names) // 2 :]):
                self.send({name: files[name] for name in half})
