"""Operators for the results of trainings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.hooks.object_store import ObjectStoreHook
from airflow_dlaas.parameters.checks import ParameterCheck, require_location, require_stripped_prefix, require_text
from airflow_dlaas.parameters.store_operator import StoreOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath


class FetchModelOperator(StoreOperator):
    """
    Fetch the model of a training, or other files of its results, each verified by its MD5.

    Returns *destination*, which then contains all requested files. If the task fails, *destination* is unchanged.

    If an attempt is interrupted (the object store does not answer, the worker is lost) and the destination is local,
    the fetched files stay in a hidden folder beside it, and the next try of the task fetches only the rest.

    :param training_id: the id of the training. (templated)
    :param destination: a folder: a path that all workers share, or any address of `ObjectStoragePath`. (templated)
    :param part: the part of the results: ``model``, ``learner-1`` (the logs), or ``""`` for all. (templated)
    :param store_conn_id: the id of the connection to the object store with the results: of type `swift`, `aws` (S3) or
        `google_cloud_platform`; ``swift_default`` if not given. *swift_conn_id* is its older name. (templated)
    :param dlaas_conn_id: the id of the connection to the service. (templated)
    """

    template_fields: Sequence[str] = (
        "training_id",
        "destination",
        "part",
        "dlaas_conn_id",
        *StoreOperator.template_fields,
    )
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "training_id": require_text,
        "destination": require_location,
        "part": require_stripped_prefix,
        **StoreOperator.parameters,
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
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.training_id = training_id
        self.destination = destination  # type: ignore[assignment]  # the check converts it to a text
        self.part = part
        self.dlaas_conn_id = dlaas_conn_id
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Request the location of the results, and fetch them to *destination*."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.contract.results import is_internal
        from airflow_dlaas.exceptions import ObjectNotFound
        from airflow_dlaas.task_runs.resumable_folder import resumable_folder

        started = time.monotonic()
        training = DlaasHook(self.dlaas_conn_id).get_training(self.training_id)
        results = training.entity.training_results
        if results is None or results.location is None:
            raise ObjectNotFound(f"Training {self.training_id} ({training.state}) has left no results")
        location, part = results.location, self.part.strip("/")
        prefix = f"{location.model_location}/{part}".rstrip("/") + "/"
        content_id = f"{training.id}-{part or 'all'}"
        with ObjectStoreHook(self.conn_id_of_store) as hook, resumable_folder(self.destination, content_id) as folder:
            report = hook.download(
                location.container,
                folder,
                prefix=prefix,
                exclude_filter=lambda names: [name for name in names if is_internal(name)],
                allow_empty=True,
            )
            if not report.files + report.unchanged:
                raise ObjectNotFound(f"There is nothing under {prefix} in container {location.container}")
        self.log.info(
            "Fetched %s files (%s bytes) to %s; %s were already fetched by an earlier attempt; %.1f s",
            report.files,
            f"{report.bytes:,}",
            self.destination,
            report.unchanged,
            time.monotonic() - started,
        )
        return self.destination
