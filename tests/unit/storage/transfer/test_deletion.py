"""Deletion of many objects, from a store in memory."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_dlaas.storage.transfer import deletion
from airflow_dlaas.storage.transfer.deletion import delete_stored_objects
from tests.memory_store import MemoryStore


def test_objects_are_deleted_in_batches() -> None:
    class RecordingStore(MemoryStore):
        batch_sizes: list[int]

        def delete(self, container: str, names: Iterable[str]) -> None:
            batch = list(names)
            self.batch_sizes.append(len(batch))
            super().delete(container, batch)

    store = RecordingStore(**{f"{number:04}": b"" for number in range(deletion.DELETE_BATCH_SIZE + 1)})
    store.batch_sizes = []
    delete_stored_objects(store, "c", list(store.list_objects("c")))
    assert not store.objects
    assert sorted(store.batch_sizes) == [1, deletion.DELETE_BATCH_SIZE]


def test_no_object_needs_no_request() -> None:
    delete_stored_objects(MemoryStore(), "missing", [])
