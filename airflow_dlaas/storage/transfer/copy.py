"""A second object with the same content, made by the store itself wherever it can."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

from airflow_dlaas.contract.store_names import require_container_name, require_new_object_name
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.object_store import ObjectStore, Part, Shape
from airflow_dlaas.storage.segments import MIB, beside, cut_up, segment_name
from airflow_dlaas.storage.transfer.multipart_upload import forget
from airflow_dlaas.storage.transfer.stream_upload import Stream, insist_on, segments_of
from airflow_dlaas.storage.transfer.worker_pool import Crew, Tally

AT_ONCE = 512 * MIB
"""Bytes that a store copies in less time than it may be silent for; it says nothing before it is done."""

STRETCH = 8 * MIB
"""Bytes of what is larger, and in one piece, that are fetched at a time."""


def copy(store: ObjectStore, container: str, name: str, to: str, to_name: str) -> None:
    """
    Store an object a second time, in place of what was there, in one step.

    A copy of an object made of segments has segments of its own: either may be deleted without the other.

    :raises InvalidName: a name is not valid; no request was sent.
    :raises StoreError: it was replaced meanwhile.
    """
    require_container_name(to, "to")
    require_new_object_name(to_name, "to_name")
    shape = store.look(container, name)
    before = segments_of(store, to, to_name)
    if not shape.parts and shape.size <= AT_ONCE:
        store.copy(container, name, to, to_name)
    elif shape.parts and all(part.place and part.md5 and part.size <= AT_ONCE for part in shape.parts):
        _segments(store, shape, to, to_name)
    else:
        _through_here(store, container, name, shape, to, to_name)
    forget(store, to, to_name, before)


def _segments(store: ObjectStore, shape: Shape, to: str, to_name: str) -> None:
    insist_on(store, to)
    store.create_container(beside(to))
    upload, cut = secrets.token_hex(8), shape.parts[0].size
    places = [
        (beside(to), segment_name(to_name, shape.size, cut, upload, number)) for number in range(len(shape.parts))
    ]

    def one(part: Part, place: tuple[str, str]) -> None:
        if part.place:
            store.copy(*part.place, *place)

    def forget_all() -> None:
        with suppress(StoreError):
            store.delete(beside(to), [name for _, name in places])

    with ExitStack() as undoing:
        undoing.callback(forget_all)
        crew = Crew(Tally(shape.size, 1, None), None)
        crew.add(partial(one, part, place) for part, place in zip(shape.parts, places, strict=True))
        crew.run()
        store.join(to, to_name, [replace(part, place=place) for part, place in zip(shape.parts, places, strict=True)])
        undoing.pop_all()


def _through_here(store: ObjectStore, container: str, name: str, shape: Shape, to: str, to_name: str) -> None:
    stream = Stream(store, to, to_name)
    with ExitStack() as undoing:
        undoing.callback(stream.discard)
        for part in cut_up(shape.size, STRETCH):
            stream.write(memoryview(fetched(store, container, name, shape, part)))
        stream.finish()


def fetched(store: ObjectStore, container: str, name: str, shape: Shape, part: Part) -> bytearray:
    """
    A stretch of the very content that *shape* was a look at, in memory.

    :raises StoreError: the object was replaced since.
    """
    data = bytearray(part.size)

    def write(start: int, piece: bytes) -> None:
        begin = start - part.start
        data[begin : begin + len(piece)] = piece

    store.get_part(container, name, shape, part, write)
    return data
