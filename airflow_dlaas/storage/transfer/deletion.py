"""Deletion of many objects, in parallel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkerPool

DELETE_BATCH_SIZE = 1000
"""Objects that one work item deletes."""


def delete_stored_objects(
    store: ObjectStore, container: str, objects: Sequence[StoredObject], pool: WorkerPool | None = None
) -> None:
    """
    Delete *objects*, with what only they consist of: see `ObjectStore.delete_stored`.

    :param pool: carries out the deletion; None makes a pool for it.
    """
    pool = pool or WorkerPool(ProgressTracker(0, len(objects), None), None)
    # An object of segments needs requests of its own.
    others = [one for one in objects if not one.slo_etag]
    batches = [others[start : start + DELETE_BATCH_SIZE] for start in range(0, len(others), DELETE_BATCH_SIZE)]
    batches += [[one] for one in objects if one.slo_etag]
    pool.add(partial(store.delete_stored, container, batch) for batch in batches)
    pool.run()
