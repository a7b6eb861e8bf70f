"""Checks of the object store: the login, and a small object that is stored, read and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

from airflow_dlaas.cli.doctor.checks import Check, failed, ok
from airflow_dlaas.exceptions import DlaasError, StoreFull, StoreRefused
from airflow_dlaas.storage.object_store import ObjectStore

PROBE_NAME = "probe.txt"


def check_store(store: ObjectStore, place: str) -> Iterator[Check]:
    """Check an object store; *place* is where its connection comes from, for messages."""
    try:
        containers = store.list_containers()
    except StoreRefused as error:
        yield failed("object store", str(error), f"correct the login and the password in {place}")
        return
    except DlaasError as error:
        yield failed("object store", str(error), f"start it, or correct the address in {place}")
        return
    yield ok("object store", f"{len(containers):,} containers, by {place}")
    yield check_transfer(store)


def check_transfer(store: ObjectStore) -> Check:
    """Store, read and delete an object in a container of its own."""
    container, content = f"dlaas-doctor-{uuid4().hex}", uuid4().hex.encode()
    try:
        store.create_container(container)
        try:
            store.put(container, PROBE_NAME, content)
            read = store.read_range(container, PROBE_NAME, 0, len(content))
        finally:
            with suppress(DlaasError):  # the error of the block is the one to report
                store.delete(container, [PROBE_NAME])
        store.delete_container(container)
    except StoreFull as error:
        return failed("write", str(error), "delete results of old trainings (airflow-dlaas delete ID --results)")
    except DlaasError as error:
        return failed("write", str(error), "permit this user to create containers and objects")
    if read != content:
        return failed(
            "write", "the object that was read differs from the one stored", "see the log of the object store"
        )
    return ok("write", "an object was stored, read and deleted")
