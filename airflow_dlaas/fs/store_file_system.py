"""
The object store of an Airflow connection as a file system.

It is made while a DAG file is parsed if the file has a path at its top level; therefore the connection is read when the
store is first used.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from airflow import __version__ as airflow_version
from airflow.sdk import BaseHook
from fsspec.utils import stringify_path  # type: ignore[import-untyped]

from airflow_dlaas.contract.store_names import require_container_name
from airflow_dlaas.hooks.object_store import make_store
from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.fsspec.os_errors import translate_to_os_errors

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import ObjectStore

HAS_EXTRA_SLASH = airflow_version.startswith("3.1.")
"""Whether Airflow may write ``swift:///container`` for the path ``swift://container``."""


class StoreFileSystem(SwiftFileSystem):
    """
    The object store of an Airflow connection as files and folders; a subclass has the scheme of its paths.

    It has the id of the connection and nothing else, so that a pickled or serialized instance contains no secret.
    """

    cachable = True
    conn_type: ClassVar[str]
    """The type of the connections that paths of this scheme can name."""

    def __init__(self, conn_id: str) -> None:
        super().__init__(None)
        self.conn_id = conn_id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.conn_id}>"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        text = None if isinstance(path, list) else stringify_path(path)
        if isinstance(text, str) and text.startswith(f"{cls.protocol}://") and not HAS_EXTRA_SLASH:
            container, _, key = text.partition("://")[2].partition("/")
            if key.strip("/"):  # `swift://conn@/folder` has no container; it must not mean the container "folder"
                with translate_to_os_errors(text):
                    require_container_name(container.rpartition("@")[2])
        return super()._strip_protocol(path)

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        conn_id, _, _ = path.partition("://")[2].partition("/")[0].rpartition("@")
        return {"conn_id": conn_id} if conn_id else {}

    @property
    def store(self) -> ObjectStore:
        """The object store."""
        return cached_store(self.conn_id, self.conn_type, os.getpid())


@cache
def cached_store(conn_id: str, conn_type: str, process_id: int) -> ObjectStore:  # noqa: ARG001  (a forked process must not share connections)
    """Return one store for all instances of a connection: fsspec makes an instance for each thread."""
    from airflow_dlaas.hooks.store_connections.airflow_connection import read_store_connection

    return make_store(read_store_connection(BaseHook.get_connection(conn_id), (conn_type,)))
