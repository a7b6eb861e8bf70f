"""The hook to Google Cloud Storage."""

from __future__ import annotations

from typing import ClassVar

from airflow_dlaas.hooks.object_store import ObjectStoreHook


class GcsStoreHook(ObjectStoreHook):
    """
    Google Cloud Storage, behind a connection of type `google_cloud_platform`.

    Its methods are those of `airflow_dlaas.hooks.object_store.ObjectStoreHook`; a connection of another type is
    refused. Where Airflow's provider `google` is not installed, this class is the "Test" button of such connections.

    :param store_conn_id: the id of the Airflow connection.
    """

    default_conn_name = "google_cloud_default"
    conn_type = "google_cloud_platform"
    hook_name = "Google Cloud (Storage)"
    conn_types: ClassVar[tuple[str, ...]] = ("google_cloud_platform",)

    def __init__(self, store_conn_id: str = default_conn_name) -> None:
        super().__init__(store_conn_id)
