"""
The file system of ``s3://connection@bucket/key``, where Airflow's provider `amazon` is not installed.

With that provider, such paths are its own.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar

from airflow_dlaas.fs.store_file_system import StoreFileSystem

DEFAULT_CONN_ID = "aws_default"

schemes = ["s3"] if find_spec("airflow.providers.amazon") is None else []
"""What Airflow opens with `get_fs`; the provider is not imported for it."""


def get_fs(conn_id: str | None, storage_options: dict[str, Any] | None = None) -> StoreFileSystem:
    """Return the file system of an Airflow connection; of `aws_default` if *conn_id* is None."""
    return S3ConnectionFileSystem(conn_id or DEFAULT_CONN_ID, **(storage_options or {}))


class S3ConnectionFileSystem(StoreFileSystem):
    """The object store of an Airflow connection of the type `aws` as files and folders."""

    protocol: ClassVar[str] = "s3"
    conn_type: ClassVar[str] = "aws"

    def __init__(self, conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__(conn_id)
