"""Copies of objects, made by the store itself wherever that is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack

from airflow_dlaas.contract.store_names import require_container_name, require_new_object_name
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.segments import MIB, split_ranges
from airflow_dlaas.storage.store_helpers import read_part
from airflow_dlaas.storage.transfer.stream_upload import StreamUpload
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkerPool

COPY_CHUNK_SIZE = 8 * MIB
"""Bytes that are fetched at a time of an object that the store does not copy."""


def copy(store: ObjectStore, container: str, name: str, to_container: str, to_name: str) -> None:
    """
    Copy an object; the copy replaces a previous object *to_name* in one step.

    The copy owns all that it consists of: either may be deleted without the other.

    :raises InvalidName: a name is not valid; no request was sent.
    :raises StoreError: the object was replaced during the copy.
    """
    require_container_name(to_container, "to_container")
    require_new_object_name(to_name, "to_name")
    if not store.copy(container, name, to_container, to_name, run=_run_all):
        _copy_through_client(store, container, name, to_container, to_name)


def _run_all(requests: Iterable[Callable[[], object]]) -> None:
    pool = WorkerPool(ProgressTracker(0, 1, None), None)
    pool.add(requests)
    pool.run()


def _copy_through_client(store: ObjectStore, container: str, name: str, to_container: str, to_name: str) -> None:
    layout = store.get_layout(container, name)
    stream = StreamUpload(store, to_container, to_name)
    with ExitStack() as undo:
        undo.callback(stream.discard)
        for part in split_ranges(layout.size, COPY_CHUNK_SIZE):
            stream.write(memoryview(read_part(store, container, name, layout, part)))
        stream.finish()
