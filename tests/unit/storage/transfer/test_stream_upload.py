"""Upload of objects while they are written, to a store in memory."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from airflow_dlaas.exceptions import ContainerNotFound, StoreError
from airflow_dlaas.storage.object_store import StoreLimits
from airflow_dlaas.storage.transfer.stream_upload import StreamUpload
from tests.memory_store import MemoryStore
from tests.stored import random_bytes


def segment_sizes(store: MemoryStore) -> list[int]:
    return [len(store.content("c_segments", name)) for name in sorted(store.segments())]


@pytest.mark.parametrize("written", [1, 7, 1000])
def test_segments_do_not_depend_on_the_size_of_the_writes(written: int) -> None:
    store = MemoryStore()
    stream, content = StreamUpload(store, "c", "a", 100), random_bytes(450, 0)
    for start in range(0, 450, written):
        stream.write(memoryview(content)[start : start + written])
    stream.finish()
    assert segment_sizes(store) == [100, 100, 100, 100, 50]
    assert store.content("c", "a") == content


def test_segment_size_doubles_with_the_number_of_segments() -> None:
    store = MemoryStore(StoreLimits(max_segments=8))
    stream = StreamUpload(store, "c", "a", 10)
    stream.write(memoryview(random_bytes(300, 0)))
    stream.finish()
    assert segment_sizes(store) == [10, 10, 20, 20, 40, 40, 80, 80]
    assert store.content("c", "a") == random_bytes(300, 0)


@pytest.mark.parametrize(("segments", "size"), [(8, 301), (0, 11)])
def test_stream_that_is_too_large_is_refused_with_a_hint(segments: int, size: int) -> None:
    store = MemoryStore(StoreLimits(max_segments=segments))
    stream = StreamUpload(store, "c", "a", 10)
    with pytest.raises(StoreError, match="write it to a file and upload that"):  # noqa: PT012
        stream.write(memoryview(random_bytes(size, 0)))
        stream.finish()
    stream.discard()
    assert not store.objects
    assert not store.segments()


def test_missing_container_is_an_error_before_a_segment_is_sent() -> None:
    store = MemoryStore()
    stream = StreamUpload(store, "no", "a", 10)
    with pytest.raises(ContainerNotFound):
        stream.write(memoryview(b"x" * 11))
    assert not store.bytes_sent


def test_failed_discard_is_logged_as_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    class StoreWithoutDeletion(MemoryStore):
        def delete(self, container: str, names: Iterable[str]) -> None:  # noqa: ARG002
            raise StoreError("no deletion")

    stream = StreamUpload(StoreWithoutDeletion(), "c", "a", 10)
    stream.write(memoryview(b"x" * 25))
    stream.discard()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("Deleting 2 parts of the discarded object c/a failed (no deletion)")
