"""Operators for what a training leaves behind."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.hooks.swift import SwiftHook
from airflow_dlaas.parameters.checked_operator import CheckedOperator
from airflow_dlaas.parameters.checks import ParameterCheck, require_location, require_stripped_prefix, require_text

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath


class FetchModelOperator(CheckedOperator):
    """
    Fetch the model of a training, or others of its files, each verified by its MD5.

    Returns *destination*, which holds all that was asked for or, if anything failed, what it held before.

    For a local destination, what has been fetched when an attempt breaks off (the store away, the worker lost) waits
    beside it in a hidden folder, and the next try of the task fetches only the rest.

    :param training_id: the training. (templated)
    :param destination: a folder; a path that all workers share, or anything `ObjectStoragePath` reaches. (templated)
    :param part: which of the training's results: ``model``, ``learner-1`` (the logs), or ``""`` for all. (templated)
    :param swift_conn_id: the connection to the object store that holds the results. (templated)
    :param dlaas_conn_id: the connection to the service. (templated)
    """

    template_fields: Sequence[str] = ("training_id", "destination", "part", "swift_conn_id", "dlaas_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "training_id": require_text,
        "destination": require_location,
        "part": require_stripped_prefix,
        "swift_conn_id": require_text,
        "dlaas_conn_id": require_text,
    }
    ui_color = "#fdeed9"

    destination: str

    def __init__(
        self,
        *,
        training_id: str,
        destination: str | PurePath | ObjectStoragePath,
        part: str = "model",
        swift_conn_id: str = SwiftHook.default_conn_name,
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.training_id = training_id
        self.destination = destination  # type: ignore[assignment]  # made a text by the check
        self.part = part
        self.swift_conn_id = swift_conn_id
        self.dlaas_conn_id = dlaas_conn_id
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Ask where the results lie, and bring them to *destination*."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.contract.results import is_marker
        from airflow_dlaas.exceptions import ObjectNotFound
        from airflow_dlaas.storage.transfer.api import DownloadOptions, download
        from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path
        from airflow_dlaas.task_runs.resumable_folder import resumable_folder
        from airflow_dlaas.task_runs.transfer_progress import ProgressLogger

        begun = time.monotonic()
        training = DlaasHook(self.dlaas_conn_id).get_training(self.training_id)
        results = training.entity.training_results
        if results is None or results.location is None:
            raise ObjectNotFound(f"Training {self.training_id} ({training.state}) has left no results")
        location, part = results.location, self.part.strip("/")
        prefix = f"{location.model_location}/{part}".rstrip("/") + "/"
        what = f"{training.id}-{part or 'all'}"
        with SwiftHook(self.swift_conn_id).store as store, resumable_folder(self.destination, what) as folder:
            report = download(
                store,
                location.container,
                folder,
                DownloadOptions(
                    prefix=prefix,
                    exclude_filter=lambda names: [name for name in names if is_marker(name)],
                    allow_empty=True,
                    checksum_cache=ChecksumCache(default_path()),
                    progress=ProgressLogger("Download:", self.log),
                ),
            )
            if not report.files + report.unchanged:
                raise ObjectNotFound(f"There is nothing under {prefix} in container {location.container}")
        self.log.info(
            "Fetched %s files (%s bytes) to %s, %s were there from an attempt before, in %.1f s",
            report.files,
            f"{report.bytes:,}",
            self.destination,
            report.unchanged,
            time.monotonic() - begun,
        )
        return self.destination
