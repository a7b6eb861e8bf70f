"""Stores what a training leaves behind; on failure and on cancel too."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.service.allowed import AllowedStores
from airflow_dlaas.service.jobs import JobFolder
from airflow_dlaas.service.learner.journal import now_and_then
from airflow_dlaas.service.learner.marker import store_marker
from airflow_dlaas.service.learner.outcome import gather


def store_results(
    job: JobFolder,
    training_id: str,
    definition: TrainingDefinition,
    say: Callable[[str], None],
    allowed: AllowedStores,
) -> int:
    """
    Upload model, checkpoints and logs to the results container; the number of objects there now.

    Safe to repeat: what lies there already, with the same content, is not sent again.

    :raises StoreError: the store does not take them.
    """
    from airflow_dlaas.storage.swift import SwiftStore
    from airflow_dlaas.storage.transfer import upload

    begun, results = time.monotonic(), definition.results
    sources, maybe = gather(job, training_id), now_and_then(say)
    say(f"Storing {len(sources)} files in container {results.target.container}")
    with SwiftStore.open(results.connection, require_allowed=allowed.require) as store:
        store_marker(store, results.target.container, training_id, say)
        report = upload(
            store,
            sources,
            results.target.container,
            progress=lambda at: maybe(lambda: f"{at.files_done} of {at.files_total} files, {at.bytes_done} bytes"),
        )
    say(f"Stored {report.files} files, {report.bytes} bytes in {time.monotonic() - begun:.1f} s")
    return len(sources)
