"""Operators for training data: upload, download and delete it in the object store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.object_store import ObjectStoreHook
from airflow_dlaas.parameters.checked_operator import UNKNOWN
from airflow_dlaas.parameters.checks import (
    InvalidValue,
    ParameterCheck,
    optional,
    require_bool,
    require_container,
    require_folder_prefix,
    require_location,
    require_object_names,
    require_patterns,
)
from airflow_dlaas.parameters.store_operator import StoreOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_dlaas.contract.patterns import Patterns
    from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection
    from airflow_dlaas.storage.transfer.api import TransferReport


class UploadDataOperator(StoreOperator):
    """
    Upload a file, a folder or the files of a glob to a container; unchanged files are not sent again.

    Every object is verified by its MD5. Returns its URI: ``swift://<connection>@<container>/<prefix>``, or the
    same with ``s3://`` or ``gs://``; `ObjectStoragePath` opens it.

    If the task is killed, the uploaded files stay. The next try skips them, and resumes a large file where the last try
    was interrupted. MD5s of files are cached in the cache folder of the worker's user (``$XDG_CACHE_HOME`` or
    ``~/.cache``), so that an unchanged file is not read again; without a writable cache, files are read each time.

    A folder with the marker of a training's results (``.dlaas-training``) is uploaded with the marker. Trainings then
    leave the folder out of their data; a warning in the task's log names it. To use the folder as data, *exclude* the
    marker.

    If an outlet of the task is an asset of this container (``swift://``, ``s3://`` or ``gs://``), the extra of its
    event gets the number of ``files`` and ``bytes`` sent, and of ``unchanged`` and ``deleted`` files.

    :param source: a file, a folder or a glob: a path relative to the folder of the DAG's file, a path on every worker,
        or any address of `ObjectStoragePath`. Files of another file system are sent on without being stored on the
        worker. (templated)
    :param container: the container; it is created if it is missing. (templated)
    :param prefix: the folder in the container under which the files are stored. (templated)
    :param include: names and globs of the files to upload, a text or a list of texts; all if not given. (templated)
    :param exclude: names and globs of files to leave out, as for *include*; takes precedence over *include*.
        (templated)
    :param delete: afterwards delete objects under *prefix* that are not in the source. Objects that *include* and
        *exclude* leave out stay, and so do the results of trainings.
    :param allow_empty: succeed if the source has no files, or *include* and *exclude* select none. Otherwise the task
        then fails before anything is sent or deleted.
    :param store_conn_id: the id of the connection to the object store, which decides what store it is: of type `swift`,
        `aws` (S3) or `google_cloud_platform`; ``swift_default`` if not given. *swift_conn_id* is its older name.
        (templated)
    """

    template_fields: Sequence[str] = (
        "source",
        "container",
        "prefix",
        "include",
        "exclude",
        *StoreOperator.template_fields,
    )
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "source": require_location,
        "container": require_container,
        "prefix": require_folder_prefix,
        "include": optional(require_patterns),
        "exclude": optional(require_patterns),
        "delete": require_bool,
        "allow_empty": require_bool,
        **StoreOperator.parameters,
    }
    dag_files: ClassVar[Sequence[str]] = ("source",)
    ui_color = "#e5f5e0"

    source: str

    def __init__(
        self,
        *,
        source: str | PurePath | ObjectStoragePath,
        container: str,
        prefix: str = "",
        include: Patterns = None,
        exclude: Patterns = (),
        delete: bool = False,
        allow_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source  # type: ignore[assignment]  # the check converts it to a text
        self.container = container
        self.prefix = prefix
        self.include = include
        self.exclude = exclude
        self.delete = delete
        self.allow_empty = allow_empty
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Upload the files; the progress is logged every few seconds."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.contract.results import uploaded_results_warning

        started = time.monotonic()
        with ObjectStoreHook(self.conn_id_of_store) as hook:
            report = hook.upload(
                self.find_dag_file("source"),
                self.container,
                prefix=self.prefix,
                include=self.include,
                exclude=self.exclude,
                delete=self.delete,
                allow_empty=self.allow_empty,
            )
        self.log.info(
            "Container %s: %s files sent (%s bytes), %s unchanged, %s deleted, in %.1f s",
            self.container,
            report.files,
            f"{report.bytes:,}",
            report.unchanged,
            report.deleted,
            time.monotonic() - started,
        )
        if report.result_folders:
            self.log.warning("%s", uploaded_results_warning(self.container, report.result_folders))
        connection = hook.store_connection
        self._update_outlet_events(context, report, connection)
        return connection.uri(self.container, self.prefix)

    def _update_outlet_events(
        self, context: Context, report: TransferReport, connection: ObjectStoreConnection
    ) -> None:
        from airflow.sdk import Asset

        from airflow_dlaas.hooks.store_connections.asset_uris import is_asset_of

        counts = {
            "files": report.files,
            "bytes": report.bytes,
            "unchanged": report.unchanged,
            "deleted": report.deleted,
        }
        for outlet in self.outlets:
            if isinstance(outlet, Asset) and is_asset_of(outlet.uri, connection, self.container):
                context["outlet_events"][outlet].extra.update(counts)


class DownloadDataOperator(StoreOperator):
    """
    Download the objects of a container to a folder, each verified by its MD5. Returns *destination*.

    A local folder is filled in place: an unchanged file is not fetched again, a new try resumes an interrupted one, and
    other files in the folder stay. For another file system, all files are fetched to a temporary folder on the worker
    and sent from there each time.

    If *prefix* is the folder of a training's results, their marker (``.dlaas-training``) is left out, so that they are
    data when they are uploaded again. In a larger folder or a whole container, results keep their markers.

    :param container: the container. (templated)
    :param prefix: the folder in the container; a file is named by the part of the object's name after it. (templated)
    :param destination: a folder: a path that all workers share, or any address of `ObjectStoragePath`. (templated)
    :param allow_empty: succeed if there is nothing under *prefix*.
    :param store_conn_id: the id of the connection to the object store, which decides what store it is: of type `swift`,
        `aws` (S3) or `google_cloud_platform`; ``swift_default`` if not given. *swift_conn_id* is its older name.
        (templated)
    """

    template_fields: Sequence[str] = ("container", "prefix", "destination", *StoreOperator.template_fields)
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "container": require_container,
        "destination": require_location,
        "prefix": require_folder_prefix,
        "allow_empty": require_bool,
        **StoreOperator.parameters,
    }
    ui_color = "#e5f5e0"

    destination: str

    def __init__(
        self,
        *,
        container: str,
        destination: str | PurePath | ObjectStoragePath,
        prefix: str = "",
        allow_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.container = container
        self.destination = destination  # type: ignore[assignment]  # the check converts it to a text
        self.prefix = prefix
        self.allow_empty = allow_empty
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Download the objects; the progress is logged every few seconds."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.contract.results import internal_result_objects
        from airflow_dlaas.task_runs.locations import local_output_dir

        started = time.monotonic()
        with ObjectStoreHook(self.conn_id_of_store) as hook, local_output_dir(self.destination) as folder:
            report = hook.download(
                self.container,
                folder,
                prefix=self.prefix,
                exclude_filter=lambda names: internal_result_objects(names, self.prefix),
                allow_empty=self.allow_empty,
            )
        self.log.info(
            "Container %s: %s files fetched (%s bytes) to %s, %s unchanged, in %.1f s",
            self.container,
            report.files,
            f"{report.bytes:,}",
            self.destination,
            report.unchanged,
            time.monotonic() - started,
        )
        return self.destination


class DeleteDataOperator(StoreOperator):
    """
    Delete objects of a container: the objects under a folder, or given ones.

    An object or a container that does not exist is no error, and neither is it that there is nothing to delete. Results
    of trainings are deleted only if *prefix* is their folder or a folder in it, or if *names* contains them; never as a
    part of a larger folder or of a whole container. The container itself stays.

    :param container: the container. (templated)
    :param prefix: the folder whose objects are deleted. (templated)
    :param names: delete only these objects, given by their full names, a text or a list of texts. (templated)
    :param everything: required to delete all objects of the container, with no *prefix* and no *names*. Without it,
        that is refused when the DAG is parsed, or, if a template makes *prefix* empty, when the task runs.
    :param store_conn_id: the id of the connection to the object store, which decides what store it is: of type `swift`,
        `aws` (S3) or `google_cloud_platform`; ``swift_default`` if not given. *swift_conn_id* is its older name.
        (templated)
    """

    template_fields: Sequence[str] = ("container", "prefix", "names", *StoreOperator.template_fields)
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "container": require_container,
        "prefix": require_folder_prefix,
        "names": optional(require_object_names),
        "everything": require_bool,
        **StoreOperator.parameters,
    }
    ui_color = "#eeeeee"

    def __init__(
        self,
        *,
        container: str,
        prefix: str = "",
        names: Patterns = None,
        everything: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.container = container
        self.prefix = prefix
        self.names = names
        self.everything = everything
        self.check_parameters()

    def execute(self, context: Context) -> None:
        """Delete the objects, and log their number."""
        from airflow_dlaas.exceptions import ContainerNotFound

        self.check_parameters(rendered=True)
        with ObjectStoreHook(self.conn_id_of_store) as hook:
            try:
                deleted = hook.delete_objects(
                    self.container,
                    prefix=self.prefix,
                    names=self.names,
                    everything=self.everything,
                    exclude_filter=self._protected_results if self.names is None else None,
                )
            except ContainerNotFound as error:
                self.log.info("%s: nothing to delete", error)
                return
        self.log.info("Container %s: %s objects deleted", self.container, len(deleted))

    def _protected_results(self, object_names: Sequence[str]) -> Sequence[str]:
        """Return the results of trainings in *object_names* that the parameters of this operator do not name."""
        from airflow_dlaas.contract.results import nested_result_objects

        results = nested_result_objects(object_names, self.prefix)
        if results:
            self.log.info("Container %s: %s objects are results of trainings and stay", self.container, len(results))
        return results

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """Refuse to delete all objects of a container without *everything*."""
        super().check_combination(given)
        if given["prefix"] == "" and given["names"] is None and given["everything"] is False:
            container = given["container"]
            target = "the container" if container is UNKNOWN else f"container {container!r}"
            raise InvalidValue(
                f"prefix is empty, which would delete all of {target}: give a prefix or names, or set everything=True"
            )
