"""The hook to an OpenStack Swift object store."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, cast

from airflow_dlaas.hooks.object_store import ObjectStoreHook, make_store

if TYPE_CHECKING:
    from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection
    from airflow_dlaas.storage.swift.store import SwiftStore

__all__ = ["SwiftHook", "make_store"]


class SwiftHook(ObjectStoreHook):
    """
    The object store of a connection of type `swift`, with Swift's own v1 authentication or Keystone v3.

    Its methods are those of `airflow_dlaas.hooks.object_store.ObjectStoreHook`; a connection of another type is
    refused.

    :param swift_conn_id: the id of the Airflow connection.
    """

    conn_name_attr = "swift_conn_id"
    default_conn_name = "swift_default"
    conn_type = "swift"
    hook_name = "OpenStack Swift"
    conn_types: ClassVar[tuple[str, ...]] = ("swift",)

    def __init__(self, swift_conn_id: str = default_conn_name) -> None:
        super().__init__(swift_conn_id)
        self.swift_conn_id = swift_conn_id

    @cached_property
    def store(self) -> SwiftStore:
        """The object store behind this hook, for requests that have no method here."""
        return cast("SwiftStore", make_store(self.store_connection))

    def get_conn(self) -> SwiftStore:
        """Return `store`; the name is that of Airflow's hooks."""
        return self.store

    @property
    def swift_connection(self) -> ObjectStoreConnection:
        """
        The fields of the connection, as `store_connection`.

        :raises NotConfigured: a field is missing or wrong, or the connection has another type.
        """
        return self.store_connection

    async def aget_swift_connection(self) -> ObjectStoreConnection:
        """Return the fields of the connection, as `swift_connection`; does not block the event loop of a triggerer."""
        return await self.aget_store_connection()
