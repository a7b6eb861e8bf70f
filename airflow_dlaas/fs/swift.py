"""The file system of ``swift://connection@container/key``, for Airflow and for every URI that fsspec opens."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow_dlaas.fs.store_file_system import StoreFileSystem
from airflow_dlaas.hooks.swift import SwiftHook

schemes = ["swift"]


def get_fs(conn_id: str | None, storage_options: dict[str, Any] | None = None) -> StoreFileSystem:
    """Return the file system of an Airflow connection; of `swift_default` if *conn_id* is None."""
    return ConnectionFileSystem(conn_id or SwiftHook.default_conn_name, **(storage_options or {}))


class ConnectionFileSystem(StoreFileSystem):
    """The object store of an Airflow connection of the type `swift` as files and folders."""

    protocol: ClassVar[str] = "swift"
    conn_type: ClassVar[str] = "swift"

    def __init__(self, conn_id: str = SwiftHook.default_conn_name) -> None:
        super().__init__(conn_id)
