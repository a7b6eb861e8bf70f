"""Segments of objects that are replaced: which they are, and their removal afterwards."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_dlaas.exceptions import ObjectNotFound
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.segments import owned_segments, segment_container
from airflow_dlaas.storage.transfer.plan import PlannedUpload


def current_segments(store: ObjectStore, container: str, name: str) -> set[str]:
    """Return the names of the segments that only the object *name* consists of; empty without such an object."""
    try:
        return owned_segments(container, name, store.get_layout(container, name).parts)
    except ObjectNotFound:
        return set()


def replaced_segments(store: ObjectStore, container: str, planned: PlannedUpload) -> set[str]:
    """Return `current_segments` of the object that *planned* replaces; sends no request if it cannot have any."""
    stored = planned.stored
    if stored is None or not (stored.slo_etag or planned.segment_size):
        return set()
    return current_segments(store, container, stored.name)


def delete_orphan_segments(store: ObjectStore, container: str, name: str, segments: Iterable[str]) -> None:
    """Delete those of *segments* that the object *name*, as it is now, does not consist of."""
    candidates = set(segments)
    if candidates:
        orphans = candidates - current_segments(store, container, name)
        store.delete(segment_container(container), sorted(orphans))
