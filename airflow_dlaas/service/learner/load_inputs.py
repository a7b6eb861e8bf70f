"""Unpacks the code and downloads the training data."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.results import MARKER_BASENAME, enclosing_folder, result_folders
from airflow_dlaas.contract.stores import DataContainerRef, StoreConnection
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.command_env import data_subfolders
from airflow_dlaas.service.learner.log_file import progress_text, throttled
from airflow_dlaas.service.object_store_allowlist import ObjectStoreAllowlist

MAX_LOGGED_FOLDERS = 20
"""Folders that the log names; of more, it gives the number."""


def unpack_code(spec: JobSpec, code: Path, logger: logging.Logger) -> None:
    """
    Unpack the zip of code.

    :raises InvalidBundle: the zip is invalid.
    """
    from airflow_dlaas.packaging import archive

    logger.info("Unpacking %d bytes of code", spec.code.stat().st_size)
    archive.unpack(spec.code, code, allow_nested=spec.allow_nested, unpacked_limit=spec.unpacked_limit)
    logger.info("Unpacked the code")


def download_data(
    definition: TrainingDefinition, data: Path, logger: logging.Logger, allowed_stores: ObjectStoreAllowlist
) -> None:
    """
    Download each container of training data completely into its folder below *data*.

    Results of trainings are excluded (`airflow_dlaas.contract.results`), and the log names them. Safe to repeat.

    :raises StoreError: a container cannot be downloaded.
    """
    sources = definition.data_containers
    places = data_subfolders([source.container for source, _ in sources])
    for (source, connection), place in zip(sources, places, strict=True):
        folder = data / place
        folder.mkdir(parents=True, exist_ok=True)
        _download_container(source, connection, folder, logger, allowed_stores)


def _download_container(
    source: DataContainerRef,
    connection: StoreConnection,
    folder: Path,
    logger: logging.Logger,
    allowed_stores: ObjectStoreAllowlist,
) -> None:
    from airflow_dlaas.storage.open_object_store import OpenOptions, open_object_store
    from airflow_dlaas.storage.transfer.api import DownloadOptions, download

    started_at, name = time.monotonic(), source.container
    log_progress = throttled(logger)
    logger.info("Loading container %s", name)
    with open_object_store(connection, OpenOptions(require_allowed=allowed_stores.require_allowed)) as store:
        report = download(
            store,
            name,
            folder,
            DownloadOptions(
                exclude_filter=lambda names: exclude_results(name, names, logger),
                allow_empty=True,
                progress=lambda at: log_progress(lambda: progress_text(at)),
            ),
        )
    seconds = time.monotonic() - started_at
    logger.info("Loaded %d files, %d bytes in %.1f s", report.files, report.bytes, seconds)


def exclude_results(container: str, names: Sequence[str], logger: logging.Logger) -> list[str]:
    """Return those of *names*, all objects of *container*, that belong to results of trainings; log their folders."""
    folders = result_folders(names)
    placed = [(name, enclosing_folder(name, folders)) for name in names]
    excluded = Counter(folder for _, folder in placed if folder is not None)
    if excluded:
        # Otherwise each training of a nightly series would download the models of all earlier ones.
        listed = ", ".join(f"{folder} ({number})" for folder, number in excluded.most_common(MAX_LOGGED_FOLDERS))
        more = f" and {len(excluded) - MAX_LOGGED_FOLDERS} more" if len(excluded) > MAX_LOGGED_FOLDERS else ""
        logger.info(
            "Results of trainings in container %s are excluded from the data: %d objects in %d folders: %s%s. A folder "
            "counts as results while it holds an object %s, or the log of a training of an earlier release; copied "
            "without these, it is data",
            container,
            excluded.total(),
            len(excluded),
            listed,
            more,
            MARKER_BASENAME,
        )
    return [name for name, folder in placed if folder is not None]


def link_data(data: Path, code: Path) -> None:
    """
    Link the top level of *data* into the working directory *code*.

    So relative names of data files work, as in the documentation of 2017. A file of the code with the same name stays.
    """
    for entry in data.iterdir():
        here = code / entry.name
        if not here.is_symlink() and not here.exists():
            here.symlink_to(entry)
