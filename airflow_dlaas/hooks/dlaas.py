"""The hook to a deep-learning service."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.hooks.connections import ServiceConnection


class DlaasHook(BaseHook):
    """
    A client of the deep-learning service that a connection of type `dlaas` names.

    ``client.send(calls.…)`` does everything the API knows; see `airflow_dlaas.client.calls`.
    """

    conn_name_attr = "dlaas_conn_id"
    default_conn_name = "dlaas_default"
    conn_type = "dlaas"
    hook_name = "Deep-learning service (DLaaS)"

    def __init__(self, dlaas_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.dlaas_conn_id = dlaas_conn_id

    @cached_property
    def service_connection(self) -> ServiceConnection:
        """What the connection says."""
        from airflow_dlaas.hooks.connections import ServiceConnection

        return ServiceConnection.from_connection(self.get_connection(self.dlaas_conn_id))

    async def aget_service_connection(self) -> ServiceConnection:
        """What the connection says, asked for without blocking the triggerer's loop."""
        from airflow_dlaas.hooks.connections import ServiceConnection

        return ServiceConnection.from_connection(await self.aget_connection(self.dlaas_conn_id))

    @cached_property
    def client(self) -> Client:
        """A client; made once, good for many threads."""
        return make_client(self.service_connection)

    def get_conn(self) -> Client:
        """The client, under the name Airflow's hooks have for it."""
        return self.client

    def test_connection(self) -> tuple[bool, str]:
        """Ask the service for a token and for what it says of itself: the "Test" of the connection form."""
        from airflow_dlaas.client import calls
        from airflow_dlaas.exceptions import DlaasError

        try:
            instance = self.client.send(calls.get_instance())
        except DlaasError as error:
            return False, str(error)
        return True, f"The service answers: {instance.entity.source or 'deep learning'}, {instance.entity.status}"


def make_client(connection: ServiceConnection) -> Client:
    """A client for *access*; sends nothing yet."""
    from airflow_dlaas.client.client import Client

    return Client(connection.url, connection.login, connection.password, verify=connection.verify)
