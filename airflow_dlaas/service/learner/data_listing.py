"""Lists the containers of training data, and plans what is loaded from each. No object is loaded here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from airflow_dlaas.contract.data_manifest import SourceManifest, version_object_name
from airflow_dlaas.contract.results import MARKER_BASENAME
from airflow_dlaas.contract.stores import DataContainerRef
from airflow_dlaas.exceptions import ObjectNotFound
from airflow_dlaas.service.learner.data_selection import (
    DataSelection,
    VersionNotHeld,
    require_version,
    select_data,
    select_version,
    source_folder,
)

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import ObjectStore

MAX_LOGGED_FOLDERS = 20
"""Folders that the log names; of more, it gives the number."""

MAX_MANIFEST_SIZE = 1024**3
"""Bytes of the manifest of a version: that of some millions of objects."""


def list_source(store: ObjectStore, source: DataContainerRef, logger: logging.Logger) -> DataSelection:
    """
    Return the data of *source*, by one listing of its folder; the log names results that are left out.

    :raises VersionNotHeld: the container does not have the version that the source names.
    :raises StoreError: the container cannot be listed.
    """
    if source.version is None:
        selection = select_data(list(store.list_objects(source.container, source_folder(source))), source)
        _log_left_out(source.container, selection, logger)
        return selection
    manifest = _read_manifest(store, source, source.version)
    require_version(manifest, source)
    folder = (manifest.source.prefix or "").rstrip("/")
    listing = list(store.list_objects(source.container, f"{folder}/" if folder else ""))
    return select_version(listing, manifest, source)


def _read_manifest(store: ObjectStore, source: DataContainerRef, version: str) -> SourceManifest:
    name = version_object_name(version)
    try:
        size = store.stat(source.container, name).size
        content = store.read_range(source.container, name, 0, min(size, MAX_MANIFEST_SIZE)) if size else b""
    except ObjectNotFound as error:
        raise VersionNotHeld(
            f"Container {source.container!r} has no version {version}: there is no object {name!r}. Name a version "
            "that was stored there, or leave out 'version'"
        ) from error
    try:
        return SourceManifest.model_validate_json(content)
    except ValidationError as error:
        raise VersionNotHeld(
            f"The manifest of version {version} in container {source.container!r} cannot be read: {name!r} is none"
        ) from error


def _log_left_out(container: str, selection: DataSelection, logger: logging.Logger) -> None:
    left_out = selection.left_out_results
    if not left_out:
        return
    # Otherwise each training of a nightly series would load the models of all earlier ones.
    logger.info(
        "Results of trainings in container %s are excluded from the data: %d objects in %d folders: %s. A folder "
        "counts as results while it holds an object %s, or the log of a training of an earlier release; copied without "
        "these, it is data. A source whose prefix is in such a folder has it as data",
        container,
        sum(left_out.values()),
        len(left_out),
        _name_folders([f"{folder} ({number})" for folder, number in left_out.items()]),
        MARKER_BASENAME,
    )


def _name_folders(named: Sequence[str]) -> str:
    more = len(named) - MAX_LOGGED_FOLDERS
    return ", ".join(named[:MAX_LOGGED_FOLDERS]) + (f" and {more} more" if more > 0 else "")
