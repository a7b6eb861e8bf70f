"""What only one object of segments consists of, and its removal when the object is replaced or deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

from airflow_dlaas.contract.store_names import has_dot_component
from airflow_dlaas.exceptions import ContainerNotFound, ObjectNotFound
from airflow_dlaas.storage.object_store import StoredObject
from airflow_dlaas.storage.swift.account import SwiftAccount
from airflow_dlaas.storage.swift.segment_names import owned_segments, segment_container, segment_owner

Segments = AbstractSet[tuple[str, str]]
"""Container and name of each."""


def current_segments(account: SwiftAccount, container: str, name: str) -> set[tuple[str, str]]:
    """Return the segments that only the object *name* consists of; empty without such an object."""
    try:
        return owned_segments(container, name, account.get_layout(container, name).parts)
    except ObjectNotFound:
        return set()


def delete_orphans(account: SwiftAccount, container: str, name: str, segments: Segments) -> None:
    """Delete those of *segments* that the object *name*, as it is now, does not consist of."""
    if segments:
        _delete_segments(account, segments - current_segments(account, container, name))


def _delete_segments(account: SwiftAccount, segments: Segments) -> None:
    for container in sorted({stored_in for stored_in, _ in segments}):
        account.delete(container, sorted(name for stored_in, name in segments if stored_in == container))


@contextmanager
def replacing(account: SwiftAccount, container: str, name: str, stored: StoredObject | None) -> Iterator[None]:
    """See `ObjectStore.replacing`."""
    may_have_segments = stored is None or stored.slo_etag is not None
    replaced = current_segments(account, container, name) if may_have_segments else set()
    yield
    delete_orphans(account, container, name, replaced)


def delete_stored(account: SwiftAccount, container: str, objects: Sequence[StoredObject]) -> None:
    """See `ObjectStore.delete_stored`."""
    segmented = [one.name for one in objects if one.slo_etag and not has_dot_component(one.name)]
    if others := [one.name for one in objects if not one.slo_etag or has_dot_component(one.name)]:
        account.delete(container, others)
    for name in segmented:
        segments = current_segments(account, container, name)  # empty if another program has deleted it meanwhile
        account.delete(container, [name])
        _delete_segments(account, segments)


def delete_abandoned(account: SwiftAccount, container: str, prefix: str, is_abandoned: Callable[[str], bool]) -> None:
    """See `ObjectStore.delete_abandoned`."""
    try:
        names = [one.name for one in account.list_objects(segment_container(container), prefix)]
    except ContainerNotFound:
        return
    owners = {one: owner for one in names if (owner := segment_owner(one)) is not None}
    account.delete(segment_container(container), [one for one, owner in owners.items() if is_abandoned(owner)])
