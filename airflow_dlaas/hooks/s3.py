"""The hook to an S3 store: AWS, or a server with the same API."""

from __future__ import annotations

from typing import ClassVar

from airflow_dlaas.hooks.object_store import ObjectStoreHook


class S3StoreHook(ObjectStoreHook):
    """
    An S3 store: AWS, or a server with the same API, behind a connection of type `aws`.

    Its methods are those of `airflow_dlaas.hooks.object_store.ObjectStoreHook`; a connection of another type is
    refused. Where Airflow's provider `amazon` is not installed, this class is the "Test" button of such connections.

    :param store_conn_id: the id of the Airflow connection.
    """

    default_conn_name = "aws_default"
    conn_type = "aws"
    hook_name = "Amazon Web Services (S3)"
    conn_types: ClassVar[tuple[str, ...]] = ("aws",)

    def __init__(self, store_conn_id: str = default_conn_name) -> None:
        super().__init__(store_conn_id)
