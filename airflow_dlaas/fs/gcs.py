"""
The file system of ``gs://connection@bucket/key``, where Airflow's provider `google` is not installed.

With that provider, such paths are its own.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar

from airflow_dlaas.fs.store_file_system import StoreFileSystem

DEFAULT_CONN_ID = "google_cloud_default"

schemes = ["gs"] if find_spec("airflow.providers.google") is None else []
"""What Airflow opens with `get_fs`; the provider is not imported for it."""


def get_fs(conn_id: str | None, storage_options: dict[str, Any] | None = None) -> StoreFileSystem:
    """Return the file system of an Airflow connection; of `google_cloud_default` if *conn_id* is None."""
    return GcsConnectionFileSystem(conn_id or DEFAULT_CONN_ID, **(storage_options or {}))


class GcsConnectionFileSystem(StoreFileSystem):
    """The object store of an Airflow connection of the type `google_cloud_platform` as files and folders."""

    protocol: ClassVar[str] = "gs"
    conn_type: ClassVar[str] = "google_cloud_platform"

    def __init__(self, conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__(conn_id)
