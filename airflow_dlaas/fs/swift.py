"""
The file system that ``swift://connection@container/key`` means: to Airflow, and wherever fsspec opens an address.

Made when a DAG is parsed, if a path stands at its top level; so the connection is read when the store is first used.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_dlaas.hooks.swift import SwiftHook
from airflow_dlaas.storage.filesystem import SwiftFileSystem

if TYPE_CHECKING:
    from airflow_dlaas.storage.objects import ObjectStore

schemes = ["swift"]


def get_fs(conn_id: str | None, storage_options: dict[str, Any] | None = None) -> SwiftFileSystem:
    """Make the file system of an Airflow connection; without one, of `swift_default`."""
    return ConnectionFileSystem(conn_id or SwiftHook.default_conn_name, **(storage_options or {}))


class ConnectionFileSystem(SwiftFileSystem):
    """
    The object store of an Airflow connection, as files and folders.

    It holds the connection's id and nothing else, and so does what is kept or sent of it.
    """

    cachable = True

    def __init__(self, conn_id: str = SwiftHook.default_conn_name) -> None:
        super().__init__(None)
        self.conn_id = conn_id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.conn_id}>"

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        conn_id, _, _ = path.partition("://")[2].partition("/")[0].rpartition("@")
        return {"conn_id": conn_id} if conn_id else {}

    @property
    def store(self) -> ObjectStore:
        """The object store."""
        return _store(self.conn_id, os.getpid())


@cache
def _store(conn_id: str, process: int) -> ObjectStore:  # noqa: ARG001  (forked processes cannot share connections)
    """One for all instances: fsspec makes another for each thread."""
    return SwiftHook(conn_id).store
