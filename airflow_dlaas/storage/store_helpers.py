"""Operations that work with every `ObjectStore` and that its interface does not have."""

from __future__ import annotations

from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part


def require_container_exists(store: ObjectStore, container: str) -> None:
    """
    Check that *container* exists, with the retries of the store; `ObjectStore.check` has none.

    :raises ContainerNotFound: there is no such container.
    """
    next(iter(store.list_dir(container, limit=1)), None)


def read_part(store: ObjectStore, container: str, name: str, layout: ObjectLayout, part: Part) -> bytearray:
    """
    Read *part* of the content that *layout* describes into memory.

    :raises StoreError: the object was replaced since *layout* was read.
    """
    data = bytearray(part.size)

    def write_at(start: int, chunk: bytes) -> None:
        begin = start - part.start
        data[begin : begin + len(chunk)] = chunk

    store.get_part(container, name, layout, part, write_at)
    return data
