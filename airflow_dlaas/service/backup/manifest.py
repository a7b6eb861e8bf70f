"""The manifest of a backup: what is in the tar file, with digests. It is the last member."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from airflow_dlaas.contract.base import Timestamp

MANIFEST_NAME = "manifest.json"
FORMAT = 1
"""Increases if an older version could not restore the file correctly."""

DATABASE_NAME = "database.sqlite"


class BackupFile(BaseModel):
    """One file of the backup."""

    model_config = ConfigDict(frozen=True)

    size: int
    sha256: str
    xattrs: dict[str, str] = {}
    """Extended attributes in base64: Swift stores the metadata of an object there."""


class Manifest(BaseModel):
    """The content of manifest.json. A newer version may add keys; they are ignored."""

    model_config = ConfigDict(frozen=True)

    format: int
    version: str
    """The version of airflow-dlaas that wrote the backup."""
    created_at: Timestamp
    database: Literal["sqlite", "postgresql"]
    """With `postgresql`, the file has no database."""
    has_objects: bool
    """Whether the objects of the embedded Swift are in the file."""
    files: dict[str, BackupFile]
    """By the path in the data directory."""
