"""Operators for what a training leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.hooks.swift import SwiftHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class FetchModelOperator(BaseOperator):
    """
    Fetch the model of a training, or others of its files, each verified by its MD5.

    Returns *destination*, which holds all that was asked for or, if anything failed, what it held before.

    :param training_id: the training. (templated)
    :param destination: a folder; a path that all workers share, or anything `ObjectStoragePath` reaches. (templated)
    :param part: which of the training's results: ``model``, ``learner-1`` (the logs), or ``""`` for all. (templated)
    :param swift_conn_id: the connection to the object store that holds the results.
    :param dlaas_conn_id: the connection to the service.
    """

    template_fields: Sequence[str] = ("training_id", "destination", "part")
    ui_color = "#fdeed9"

    def __init__(
        self,
        *,
        training_id: str,
        destination: str,
        part: str = "model",
        swift_conn_id: str = SwiftHook.default_conn_name,
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.training_id = training_id
        self.destination = destination
        self.part = part
        self.swift_conn_id = swift_conn_id
        self.dlaas_conn_id = dlaas_conn_id

    def execute(self, context: Context) -> str:
        """Ask where the results lie, and bring them to *destination*."""
        from airflow_dlaas.client import calls
        from airflow_dlaas.errors import ObjectNotFound
        from airflow_dlaas.hooks.places import put_there
        from airflow_dlaas.hooks.progress import TellProgress
        from airflow_dlaas.storage.transfer import download

        training = DlaasHook(self.dlaas_conn_id).client.send(calls.get_training(self.training_id))
        results = training.entity.training_results
        if results is None or results.location is None:
            raise ObjectNotFound(f"Training {self.training_id} ({training.state}) has left no results")
        location = results.location
        prefix = f"{location.model_location}/{self.part.strip('/')}".rstrip("/") + "/"
        with put_there(self.destination) as folder:
            folder.mkdir()
            report = download(
                SwiftHook(self.swift_conn_id).store,
                location.container,
                folder,
                prefix=prefix,
                progress=TellProgress("Downloaded", self.log.info),
            )
            if not report.files:
                raise ObjectNotFound(f"There is nothing under {prefix} in container {location.container}")
        self.log.info("Fetched %s files (%s bytes) to %s", report.files, f"{report.bytes:,}", self.destination)
        return self.destination
