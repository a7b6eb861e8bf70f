"""The requests to object stores that the service sends itself, to check a definition at submit."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import ObjectNotFound
from airflow_dlaas.storage.open_object_store import OpenOptions, open_object_store


@dataclass(frozen=True, slots=True)
class ContainerAccess:
    """Opens the store of a connection for one request. Thread-safe; all methods raise a `StoreError`."""

    options: OpenOptions

    def check(self, connection: StoreConnection, container: str) -> None:
        """See `ObjectStore.check`."""
        with open_object_store(connection, self.options) as store:
            store.check(container)

    def create(self, connection: StoreConnection, container: str) -> None:
        """See `ObjectStore.create_container`."""
        with open_object_store(connection, self.options) as store:
            store.create_container(container)

    def has_object(self, connection: StoreConnection, container: str, name: str) -> bool:
        """Whether *container* has an object with this name."""
        with open_object_store(connection, self.options) as store:
            try:
                store.stat(container, name)
            except ObjectNotFound:
                return False
        return True
