"""Copies of objects, made by the store itself wherever that is possible."""

from __future__ import annotations

import logging
import secrets
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from airflow_dlaas.contract.store_names import require_container_name, require_new_object_name
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part
from airflow_dlaas.storage.segments import MIB, segment_container, segment_name, split_ranges
from airflow_dlaas.storage.store_helpers import read_part, require_container_exists
from airflow_dlaas.storage.transfer.segment_cleanup import current_segments, delete_orphan_segments
from airflow_dlaas.storage.transfer.stream_upload import StreamUpload
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkerPool

logger = logging.getLogger(__name__)

MAX_SERVER_COPY_SIZE = 512 * MIB
"""Bytes that a store copies within the read timeout; it sends nothing before the copy is complete."""

COPY_CHUNK_SIZE = 8 * MIB
"""Bytes that are fetched at a time of an object that is larger and in one piece."""


def copy(store: ObjectStore, container: str, name: str, to_container: str, to_name: str) -> None:
    """
    Copy an object; the copy replaces a previous object *to_name* in one step.

    A copy of an object made of segments has segments of its own: either may be deleted without the other.

    :raises InvalidName: a name is not valid; no request was sent.
    :raises StoreError: the object was replaced during the copy.
    """
    require_container_name(to_container, "to_container")
    require_new_object_name(to_name, "to_name")
    layout = store.get_layout(container, name)
    replaced = current_segments(store, to_container, to_name)
    if not layout.parts and layout.size <= MAX_SERVER_COPY_SIZE:
        store.copy(container, name, to_container, to_name)
    elif layout.parts and all(part.segment and part.md5 and part.size <= MAX_SERVER_COPY_SIZE for part in layout.parts):
        _copy_segments(store, layout, to_container, to_name)
    else:
        _copy_through_client(store, container, name, layout, to_container, to_name)
    delete_orphan_segments(store, to_container, to_name, replaced)


def _copy_segments(store: ObjectStore, layout: ObjectLayout, to_container: str, to_name: str) -> None:
    require_container_exists(store, to_container)
    store.create_container(segment_container(to_container))
    upload_id, segment_size = secrets.token_hex(8), layout.parts[0].size
    segments = [
        (segment_container(to_container), segment_name(to_name, layout.size, segment_size, upload_id, number))
        for number in range(len(layout.parts))
    ]

    def copy_one(part: Part, segment: tuple[str, str]) -> None:
        if part.segment:
            store.copy(*part.segment, *segment)

    def delete_copies() -> None:
        try:
            store.delete(segment_container(to_container), [name for _, name in segments])
        except StoreError as error:
            logger.warning(
                "Deleting the segments of the failed copy %s/%s failed (%s); the next upload of a large file to this "
                "name deletes them",
                to_container,
                to_name,
                error,
            )

    with ExitStack() as undo:
        undo.callback(delete_copies)
        pool = WorkerPool(ProgressTracker(layout.size, 1, None), None)
        pool.add(partial(copy_one, part, segment) for part, segment in zip(layout.parts, segments, strict=True))
        pool.run()
        store.complete_multipart(
            to_container,
            to_name,
            [replace(part, segment=segment) for part, segment in zip(layout.parts, segments, strict=True)],
        )
        undo.pop_all()


def _copy_through_client(
    store: ObjectStore, container: str, name: str, layout: ObjectLayout, to_container: str, to_name: str
) -> None:
    stream = StreamUpload(store, to_container, to_name)
    with ExitStack() as undo:
        undo.callback(stream.discard)
        for part in split_ranges(layout.size, COPY_CHUNK_SIZE):
            stream.write(memoryview(read_part(store, container, name, layout, part)))
        stream.finish()
