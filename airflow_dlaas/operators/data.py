"""Operators for training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_dlaas.hooks.swift import SwiftHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class UploadDataOperator(BaseOperator):
    """
    Bring a file or a folder of training data into a container; what is there already, unchanged, sends no byte.

    Every object is verified by its MD5. Returns the container as ``swift://<connection>@<container>/<prefix>``.

    :param source: a file or a folder; a path on every worker, or anything `ObjectStoragePath` reaches. (templated)
    :param container: the container; made if there is none of that name. (templated)
    :param prefix: the folder in the container that everything goes under. (templated)
    :param swift_conn_id: the connection to the object store.
    """

    template_fields: Sequence[str] = ("source", "container", "prefix")
    ui_color = "#e5f5e0"

    def __init__(
        self,
        *,
        source: str,
        container: str,
        prefix: str = "",
        swift_conn_id: str = SwiftHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.container = container
        self.prefix = prefix
        self.swift_conn_id = swift_conn_id

    def execute(self, context: Context) -> str:
        """Upload; progress goes to the task's log every few seconds."""
        from airflow_dlaas.hooks.places import brought_here
        from airflow_dlaas.hooks.progress import TellProgress
        from airflow_dlaas.storage.transfer import upload

        store = SwiftHook(self.swift_conn_id).store
        with brought_here(self.source) as here:
            store.create_container(self.container)
            report = upload(
                store, here, self.container, prefix=self.prefix, progress=TellProgress("Uploaded", self.log.info)
            )
        self.log.info(
            "Container %s: %s files sent (%s bytes), %s unchanged",
            self.container,
            report.files,
            f"{report.bytes:,}",
            report.skipped,
        )
        return f"swift://{self.swift_conn_id}@{self.container}/{self.prefix}"
