"""What a store promises for an object in parts: it appears in one step, resumes, and owns its parts."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_dlaas.exceptions import ContainerNotFound, StoreError
from airflow_dlaas.storage.body import BytesBody
from airflow_dlaas.storage.object_store import PartsUpload
from airflow_dlaas.storage.open_object_store import OpenedStore
from airflow_dlaas.storage.transfer.copy import copy
from airflow_dlaas.storage.transfer.stream_upload import StreamUpload
from tests.object_stores.cases import MIB
from tests.stored import contents, random_bytes

PART = 5 * MIB
"""Bytes of a part: the smallest that S3 accepts."""

CONTENT = random_bytes(2 * PART + 1000, "parts")
PIECES = [CONTENT[start : start + PART] for start in range(0, len(CONTENT), PART)]


@pytest.fixture(autouse=True)
def parts_of_the_store(store: OpenedStore) -> None:
    if not store.limits().max_segments:
        pytest.skip("this store has no parts")


def begin(store: OpenedStore, container: str, name: str = "large", size: int | None = len(CONTENT)) -> PartsUpload:
    return store.begin_multipart(container, name, size=size, part_size=PART)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def send_all(upload: PartsUpload, pieces: list[bytes] = PIECES) -> None:
    for number, piece in enumerate(pieces):
        assert upload.put_part(number, BytesBody(piece)) == md5(piece)


def test_object_appears_when_it_is_complete(store: OpenedStore, container: str) -> None:
    upload = begin(store, container)
    send_all(upload)
    assert not list(store.list_objects(container))
    upload.complete()
    assert contents(store, container) == {"large": CONTENT}
    layout = store.get_layout(container, "large")
    assert layout.size == len(CONTENT)
    assert sum(part.size for part in layout.parts) in (0, len(CONTENT))


def test_parts_are_sent_at_the_same_time_in_any_order(store: OpenedStore, container: str) -> None:
    upload = begin(store, container)
    with ThreadPoolExecutor(3) as pool:
        sent = pool.map(lambda number: upload.put_part(number, BytesBody(PIECES[number])), (2, 0, 1))
        assert list(sent) == [md5(PIECES[number]) for number in (2, 0, 1)]
    upload.complete()
    assert contents(store, container) == {"large": CONTENT}


def test_next_upload_uses_the_parts_of_an_interrupted_one(store: OpenedStore, container: str) -> None:
    interrupted = begin(store, container)
    for number in (0, 2):
        interrupted.put_part(number, BytesBody(PIECES[number]))
    upload = begin(store, container)
    for number, piece in enumerate(PIECES):
        same = [one for one in upload.stored_parts(number) if one.md5 == md5(piece)]
        assert [one.size for one in same] == ([] if number == 1 else [len(piece)])
        if same:
            upload.reuse_part(number, same[0])
        else:
            upload.put_part(number, BytesBody(piece))
    upload.complete()
    assert contents(store, container) == {"large": CONTENT}


def test_discarded_upload_leaves_nothing_to_resume(store: OpenedStore, container: str) -> None:
    upload = begin(store, container)
    send_all(upload)
    upload.discard()
    assert not contents(store, container)
    assert not any(begin(store, container).stored_parts(number) for number in range(3))


def test_upload_of_unknown_size_appears_when_it_is_complete(store: OpenedStore, container: str) -> None:
    upload = begin(store, container, size=None)
    assert not upload.stored_parts(0)
    send_all(upload)
    upload.complete(content_type="text/plain")
    assert contents(store, container) == {"large": CONTENT}


def test_large_object_and_small_one_replace_each_other(store: OpenedStore, container: str) -> None:
    store.put(container, "large", b"small")
    upload = begin(store, container)
    send_all(upload)
    assert contents(store, container) == {"large": b"small"}
    upload.complete()
    assert contents(store, container) == {"large": CONTENT}
    with store.replacing(container, "large"):
        store.put(container, "large", b"small")
    assert contents(store, container) == {"large": b"small"}


def test_missing_container_is_reported(store: OpenedStore, container: str) -> None:
    def send() -> None:
        upload = begin(store, f"{container}-no-such")
        send_all(upload)
        upload.complete()

    with pytest.raises(ContainerNotFound):
        send()


def test_incomplete_upload_makes_no_object(store: OpenedStore, container: str) -> None:
    upload = begin(store, container)
    upload.put_part(0, BytesBody(PIECES[0]))
    begin(store, container).discard()
    assert not contents(store, container)


def test_copy_of_a_large_object_owns_its_parts(store: OpenedStore, container: str) -> None:
    upload = begin(store, container)
    send_all(upload)
    upload.complete()
    copy(store, container, "large", container, "copy")
    store.delete_stored(container, [store.stat(container, "large")])
    assert contents(store, container) == {"copy": CONTENT}


def test_stream_of_unknown_size_is_one_object(store: OpenedStore, container: str) -> None:
    stream = StreamUpload(store, container, "streamed", PART)
    for start in range(0, len(CONTENT), 700_000):
        stream.write(memoryview(CONTENT)[start : start + 700_000])
    assert not contents(store, container)
    stream.finish()
    assert contents(store, container) == {"streamed": CONTENT}


def test_discarded_stream_stores_nothing(store: OpenedStore, container: str) -> None:
    stream = StreamUpload(store, container, "streamed", PART)
    stream.write(memoryview(CONTENT))
    stream.discard()
    assert not contents(store, container)


def test_damaged_part_is_not_completed(store: OpenedStore, container: str) -> None:
    """A part that the store does not have is missed when the object is completed."""
    upload = begin(store, container)
    upload.put_part(0, BytesBody(PIECES[0]))
    other = begin(store, container)
    for part in other.stored_parts(0):
        other.reuse_part(0, part)
    upload.discard()

    def finish() -> None:
        other.put_part(1, BytesBody(PIECES[1][:1000]))
        other.complete()

    with pytest.raises(StoreError):
        finish()
    assert not contents(store, container)
