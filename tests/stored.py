"""What is really stored, looked at from outside: for tests that have to know it byte by byte."""

from __future__ import annotations

import gc
import random
from collections.abc import Mapping
from pathlib import Path

from airflow_dlaas.exceptions import ContainerNotFound, DlaasError
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.storage.segments import segment_container
from tests.troublemaker import Troublemaker
from tests.waiting import until

Tree = Mapping[str, bytes]
"""Names and contents: of the files in a folder, or of the objects in a container."""


def noise(size: int, seed: object) -> bytes:
    """Bytes that are the same for the same seed, and look like no others."""
    return random.Random(f"{seed}").randbytes(size)


def lay(folder: Path, tree: Tree) -> Path:
    """Write the files of *tree* into *folder*, made if missing; others that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def laid(folder: Path) -> dict[str, bytes]:
    """Every file in *folder*."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def contents(store: ObjectStore, container: str) -> dict[str, bytes]:
    """Every object of *container*, read to its end."""
    return {one.name: content(store, container, one) for one in store.list_objects(container)}


def content(store: ObjectStore, container: str, one: StoredObject) -> bytes:
    """All of an object. Each segment by itself: of many small ones in a row Swift gives one a second."""
    parts = store.get_layout(container, one.name).parts if one.slo_etag else ()
    stretches = [(part.start, part.start + part.size) for part in parts] or [(0, one.size)]
    return b"".join(store.read_range(container, one.name, start, end) for start, end in stretches)


def segments(store: ObjectStore, container: str) -> dict[str, int]:
    """The segments in the container beside, and their sizes."""
    try:
        return {one.name: one.size for one in store.list_objects(segment_container(container))}
    except ContainerNotFound:
        return {}


def orphans(store: ObjectStore, container: str) -> set[str]:
    """Those segments that no object of *container* consists of."""
    large = [one.name for one in store.list_objects(container) if one.slo_etag]
    places = {part.segment for name in large for part in store.get_layout(container, name).parts}
    return {name for name in segments(store, container) if (segment_container(container), name) not in places}


def settle(trouble: Troublemaker) -> None:
    """
    Wait until nobody speaks through *trouble* any more; stores that did have to be closed, and their errors dropped.

    A request that was sent as a whole is carried out even if the sender has gone.
    """
    gc.collect()  # an error that somebody still holds keeps its connection open, and no other is left to it
    until(lambda: list(trouble._threads), lambda threads: not threads)


def said(error: BaseException) -> str:
    """All that an error and those behind it say of themselves, in a log or in a debugger."""
    words, seen, left = [], set(), [error]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        words += [str(one), repr(one)]
        left += [other for other in (one.__cause__, one.__context__, *one.args) if isinstance(other, BaseException)]
    return "\n".join(words)


def speaks_clearly(error: DlaasError, *secrets: str) -> bool:
    """Whether an error has a sentence for people, and nowhere any of *secrets*."""
    return len(str(error).split()) > 3 and not any(secret in said(error) for secret in secrets)
