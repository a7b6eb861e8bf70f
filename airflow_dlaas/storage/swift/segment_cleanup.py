"""What only one object of segments consists of, and its removal when the object is replaced or deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from airflow_dlaas.contract.store_names import has_dot_component
from airflow_dlaas.exceptions import ContainerNotFound, ObjectNotFound
from airflow_dlaas.storage.object_store import StoredObject
from airflow_dlaas.storage.swift.account import SwiftAccount
from airflow_dlaas.storage.swift.segment_names import owned_segments, segment_container, segment_owner


def current_segments(account: SwiftAccount, container: str, name: str) -> set[str]:
    """Return the names of the segments that only the object *name* consists of; empty without such an object."""
    try:
        return owned_segments(container, name, account.get_layout(container, name).parts)
    except ObjectNotFound:
        return set()


def delete_orphans(account: SwiftAccount, container: str, name: str, segments: Iterable[str]) -> None:
    """Delete those of *segments* that the object *name*, as it is now, does not consist of."""
    candidates = set(segments)
    if candidates:
        orphans = candidates - current_segments(account, container, name)
        account.delete(segment_container(container), sorted(orphans))


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
        account.delete(segment_container(container), sorted(segments))


def delete_abandoned(account: SwiftAccount, container: str, prefix: str, is_abandoned: Callable[[str], bool]) -> None:
    """See `ObjectStore.delete_abandoned`."""
    try:
        names = [one.name for one in account.list_objects(segment_container(container), prefix)]
    except ContainerNotFound:
        return
    owners = {one: owner for one in names if (owner := segment_owner(one)) is not None}
    account.delete(segment_container(container), [one for one, owner in owners.items() if is_abandoned(owner)])
