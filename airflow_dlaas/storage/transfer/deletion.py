"""Deletion of many objects, with the segments of large ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from airflow_dlaas.contract.store_names import has_dot_component
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.storage.segments import segment_container
from airflow_dlaas.storage.transfer.segment_cleanup import current_segments
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkerPool

DELETE_BATCH_SIZE = 1000
"""Objects that one work item deletes."""


def delete_stored_objects(
    store: ObjectStore, container: str, objects: Sequence[StoredObject], pool: WorkerPool | None = None
) -> None:
    """
    Delete *objects*, with the segments that only they consist of.

    The segments of an object stay if a component of its name is ``.`` or ``..``: no request can ask for its layout.

    :param pool: carries out the deletion; None makes a pool for it.
    """
    pool = pool or WorkerPool(ProgressTracker(0, len(objects), None), None)
    segmented = [one for one in objects if one.slo_etag and not has_dot_component(one.name)]
    plain = [one.name for one in objects if not one.slo_etag or has_dot_component(one.name)]
    batches = [plain[start : start + DELETE_BATCH_SIZE] for start in range(0, len(plain), DELETE_BATCH_SIZE)]
    pool.add(partial(store.delete, container, batch) for batch in batches)
    pool.add(partial(_delete_segmented, store, container, one.name) for one in segmented)
    pool.run()


def _delete_segmented(store: ObjectStore, container: str, name: str) -> None:
    segments = current_segments(store, container, name)  # empty if another program has deleted the object meanwhile
    store.delete(container, [name])
    store.delete(segment_container(container), sorted(segments))
