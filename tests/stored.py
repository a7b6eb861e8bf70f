"""The stored files and objects, compared byte by byte by tests."""

from __future__ import annotations

import gc
import random
from collections.abc import Mapping
from pathlib import Path

from airflow_dlaas.exceptions import ContainerNotFound, DlaasError
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.storage.swift.segment_names import segment_container
from tests.fault_proxy import FaultProxy
from tests.waiting import until

Tree = Mapping[str, bytes]
"""Contents by name: of the files in a folder, or of the objects in a container."""


def random_bytes(size: int, seed: object) -> bytes:
    """Return random bytes, the same for equal seeds."""
    return random.Random(f"{seed}").randbytes(size)


def write_tree(folder: Path, tree: Tree) -> Path:
    """Write the files of *tree* to *folder*, which is created if needed; other files there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def read_tree(folder: Path) -> dict[str, bytes]:
    """Return all files in *folder*."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def contents(store: ObjectStore, container: str) -> dict[str, bytes]:
    """Return all objects of *container* with their contents."""
    return {one.name: content(store, container, one) for one in store.list_objects(container)}


def content(store: ObjectStore, container: str, one: StoredObject) -> bytes:
    """Return the content of an object, segment by segment: of many small ones in a row Swift sends one per second."""
    parts = store.get_layout(container, one.name).parts if one.slo_etag else ()
    ranges = [(part.start, part.start + part.size) for part in parts] or [(0, one.size)]
    return b"".join(store.read_range(container, one.name, start, end) for start, end in ranges)


def segments(store: ObjectStore, container: str) -> dict[str, int]:
    """Return the segments in the segment container, with their sizes."""
    try:
        return {one.name: one.size for one in store.list_objects(segment_container(container))}
    except ContainerNotFound:
        return {}


def orphans(store: ObjectStore, container: str) -> set[str]:
    """Return the segments that belong to no object of *container*."""
    large = [one.name for one in store.list_objects(container) if one.slo_etag]
    places = {part.segment for name in large for part in store.get_layout(container, name).parts}
    return {name for name in segments(store, container) if (segment_container(container), name) not in places}


def wait_until_disconnected(proxy: FaultProxy) -> None:
    """
    Wait until *proxy* has no open connection. The test closes the stores that use it, and deletes their errors, before.

    The store executes a request that it received completely, even if the client has closed the connection.
    """
    gc.collect()  # an error that is still referenced keeps its connection open
    until(lambda: list(proxy._threads), lambda threads: not threads)


def error_texts(error: BaseException) -> str:
    """Return the texts and reprs of an error, its causes and its arguments, as a log or a debugger shows them."""
    texts, seen, left = [], set(), [error]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one)]
        left += [other for other in (one.__cause__, one.__context__, *one.args) if isinstance(other, BaseException)]
    return "\n".join(texts)


def has_clear_message(error: DlaasError, *secrets: str) -> bool:
    """Whether an error has a message of several words and contains none of *secrets*."""
    return len(str(error).split()) > 3 and not any(secret in error_texts(error) for secret in secrets)
