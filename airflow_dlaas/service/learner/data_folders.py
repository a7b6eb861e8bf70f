"""
The folders of the sources of training data below DATA_DIR. No I/O.

A single source fills DATA_DIR itself; a single mounted file is a file in it. Several sources get one folder each: with
the name of the container, or of the mounted folder. The folder of a container with a prefix has the prefix behind its
name (``digits-train-2024`` for ``train/2024`` of container ``digits``), so that several prefixes of one container do
not depend on each other's order. Equal names are numbered.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow_dlaas.contract.store_names import MAX_PATH_COMPONENT_BYTES
from airflow_dlaas.contract.stores import DataContainerRef, MountRef
from airflow_dlaas.service.learner.command_env import data_subfolders

MAX_NAME_BYTES = MAX_PATH_COMPONENT_BYTES - len("-9999")
"""Bytes of a folder's name, so that a number fits behind it."""


def source_names(sources: Sequence[DataContainerRef | MountRef]) -> list[str]:
    """Return the name that the folder of each source would have, without numbers."""
    return [_shorten(_source_name(one)) for one in sources]


def source_folders(sources: Sequence[DataContainerRef | MountRef]) -> list[str]:
    """Return the folder of each source, relative to DATA_DIR: ``"."`` for a single one."""
    return data_subfolders(source_names(sources))


def _source_name(source: DataContainerRef | MountRef) -> str:
    if isinstance(source, MountRef):
        return source.path.rstrip("/").rpartition("/")[2] or "mount"
    prefix = (source.prefix or "").strip("/").replace("/", "-")
    return f"{source.container}-{prefix}" if prefix else source.container


def _shorten(name: str) -> str:
    return name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")
