"""The hook to an OpenStack Swift object store."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from airflow_dlaas.hooks.connections import SwiftConnection
    from airflow_dlaas.storage.swift.store import SwiftStore


class SwiftHook(BaseHook):
    """The object store that a connection of type `swift` names, with Swift's own v1 authentication or Keystone v3."""

    conn_name_attr = "swift_conn_id"
    default_conn_name = "swift_default"
    conn_type = "swift"
    hook_name = "OpenStack Swift"

    def __init__(self, swift_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.swift_conn_id = swift_conn_id

    @cached_property
    def swift_connection(self) -> SwiftConnection:
        """What the connection says."""
        from airflow_dlaas.hooks.connections import SwiftConnection

        return SwiftConnection.from_connection(self.get_connection(self.swift_conn_id))

    async def aget_swift_connection(self) -> SwiftConnection:
        """What the connection says, asked for without blocking the triggerer's loop."""
        from airflow_dlaas.hooks.connections import SwiftConnection

        return SwiftConnection.from_connection(await self.aget_connection(self.swift_conn_id))

    @cached_property
    def store(self) -> SwiftStore:
        """The object store; authenticates when first used."""
        return make_store(self.swift_connection)

    def get_conn(self) -> SwiftStore:
        """The object store, under the name Airflow's hooks have for it."""
        return self.store

    def test_connection(self) -> tuple[bool, str]:
        """Authenticate and look at the account: the "Test" of the connection form."""
        from airflow_dlaas.exceptions import DlaasError

        try:
            containers = len(self.store.list_containers())
        except DlaasError as error:
            return False, str(error)
        return True, f"The object store lets {self.swift_connection.credentials.user} in: {containers} containers"


def make_store(connection: SwiftConnection, *, retry: bool = True) -> SwiftStore:
    """
    A store for *access*; sends nothing yet.

    :param retry: sit transient trouble out; whoever will ask again anyway need not.
    """
    from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy
    from airflow_dlaas.storage.swift.store import SwiftStore

    return SwiftStore.open(
        connection.credentials, verify=connection.verify, retry_policy=RetryPolicy() if retry else NO_RETRY
    )
