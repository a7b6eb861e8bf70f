"""Operators for training data: into the object store, out of it, and away."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

from airflow_dlaas.hooks.swift import SwiftHook
from airflow_dlaas.parameters.checked_operator import UNKNOWN, CheckedOperator
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
    require_text,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_dlaas.contract.patterns import Patterns
    from airflow_dlaas.storage.transfer.api import TransferReport


class UploadDataOperator(CheckedOperator):
    """
    Bring a file, a folder or what a glob matches into a container; what is there already, unchanged, sends no byte.

    Every object is verified by its MD5. Returns the container as ``swift://<connection>@<container>/<prefix>``.

    A task that is killed just stops: what has arrived stays, and the next try skips it, or takes a large file up where
    it broke off. MD5s of files are remembered in the cache folder of the worker's user (``$XDG_CACHE_HOME`` or
    ``~/.cache``), so that a file that has not changed is not read again; where that cannot be written, it is.

    A folder that holds the marker of a training's results (``.dlaas-training``) is uploaded with it, and trainings then
    leave the folder out of their data; a warning in the task's log names it. To have it as data, *exclude* the marker.

    An outlet of the task that is a ``swift://`` asset of this container gets the figures as its event's extra:
    ``files`` and ``bytes`` that were sent, ``unchanged``, ``deleted``.

    :param source: a path on every worker, or anything `ObjectStoragePath` reaches, which is passed on without being
        stored on the worker: a file, a folder, or a glob. (templated)
    :param container: the container; made if there is none of that name. (templated)
    :param prefix: the folder in the container that everything goes under. (templated)
    :param include: names and globs of what is uploaded, a text or a list of texts; all if not given. (templated)
    :param exclude: names and globs of what is not, as for *include*; it wins over *include*. (templated)
    :param delete: afterwards, delete from under *prefix* what is no longer in the source. What *include* and *exclude*
        leave out stays in the store too, and so do the results of trainings.
    :param allow_empty: whether the task succeeds when the source holds no file, or *include* and *exclude* select none.
        Otherwise it fails before anything is sent or deleted.
    :param swift_conn_id: the connection to the object store. (templated)
    """

    template_fields: Sequence[str] = ("source", "container", "prefix", "include", "exclude", "swift_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "source": require_location,
        "container": require_container,
        "prefix": require_folder_prefix,
        "include": optional(require_patterns),
        "exclude": optional(require_patterns),
        "delete": require_bool,
        "allow_empty": require_bool,
        "swift_conn_id": require_text,
    }
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
        swift_conn_id: str = SwiftHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source  # type: ignore[assignment]  # made a text by the check
        self.container = container
        self.prefix = prefix
        self.include = include
        self.exclude = exclude
        self.delete = delete
        self.allow_empty = allow_empty
        self.swift_conn_id = swift_conn_id
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Upload; progress goes to the task's log every few seconds."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.contract.results import uploaded_results_warning
        from airflow_dlaas.hooks.sources import find_sources
        from airflow_dlaas.storage.transfer.api import UploadOptions, upload
        from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path
        from airflow_dlaas.task_runs.transfer_progress import ProgressLogger

        begun = time.monotonic()
        sources = find_sources(self.source, self.include, self.exclude, allow_empty=self.allow_empty)
        with SwiftHook(self.swift_conn_id).store as store:
            report = upload(
                store,
                sources,
                self.container,
                UploadOptions(
                    prefix=self.prefix,
                    include=self.include,
                    exclude=self.exclude,
                    delete=self.delete,
                    allow_empty=self.allow_empty,
                    create_container=True,
                    checksum_cache=ChecksumCache(default_path()),
                    progress=ProgressLogger("Upload:", self.log),
                ),
            )
        self.log.info(
            "Container %s: %s files sent (%s bytes), %s unchanged, %s deleted, in %.1f s",
            self.container,
            report.files,
            f"{report.bytes:,}",
            report.unchanged,
            report.deleted,
            time.monotonic() - begun,
        )
        if report.result_folders:
            self.log.warning("%s", uploaded_results_warning(self.container, report.result_folders))
        self._update_outlet_events(context, report)
        return f"swift://{self.swift_conn_id}@{self.container}/{self.prefix}"

    def _update_outlet_events(self, context: Context, report: TransferReport) -> None:
        from airflow.sdk import Asset

        figures = {
            "files": report.files,
            "bytes": report.bytes,
            "unchanged": report.unchanged,
            "deleted": report.deleted,
        }
        place = self.swift_conn_id, self.container
        for outlet in self.outlets:
            if isinstance(outlet, Asset) and _parse_asset_uri(outlet.uri, self.swift_conn_id) == place:
                context["outlet_events"][outlet].extra.update(figures)


class DownloadDataOperator(CheckedOperator):
    """
    Bring what lies in a container to a folder, each file verified by its MD5. Returns *destination*.

    A local folder is filled in place: what is there already, unchanged, is not fetched again, a try after one that
    broke off goes on where that was, and what else lies there stays. Elsewhere, everything is sent in any case, by way
    of a temporary folder on the worker.

    Where *prefix* is the folder of a training's results, their marker (``.dlaas-training``) is left out: uploaded
    again, they are data. In a larger folder, or a whole container, results keep their markers.

    :param container: the container. (templated)
    :param prefix: the folder in the container; files are named by what follows it. (templated)
    :param destination: a folder; a path that all workers share, or anything `ObjectStoragePath` reaches. (templated)
    :param allow_empty: whether the task succeeds when there is nothing under *prefix*.
    :param swift_conn_id: the connection to the object store. (templated)
    """

    template_fields: Sequence[str] = ("container", "prefix", "destination", "swift_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "container": require_container,
        "destination": require_location,
        "prefix": require_folder_prefix,
        "allow_empty": require_bool,
        "swift_conn_id": require_text,
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
        swift_conn_id: str = SwiftHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.container = container
        self.destination = destination  # type: ignore[assignment]  # made a text by the check
        self.prefix = prefix
        self.allow_empty = allow_empty
        self.swift_conn_id = swift_conn_id
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Download; progress goes to the task's log every few seconds."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.contract.results import result_folder_markers
        from airflow_dlaas.storage.transfer.api import DownloadOptions, download
        from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path
        from airflow_dlaas.task_runs.locations import local_output_dir
        from airflow_dlaas.task_runs.transfer_progress import ProgressLogger

        begun = time.monotonic()
        with SwiftHook(self.swift_conn_id).store as store, local_output_dir(self.destination) as folder:
            report = download(
                store,
                self.container,
                folder,
                DownloadOptions(
                    prefix=self.prefix,
                    exclude_filter=lambda names: result_folder_markers(names, self.prefix),
                    allow_empty=self.allow_empty,
                    checksum_cache=ChecksumCache(default_path()),
                    progress=ProgressLogger("Download:", self.log),
                ),
            )
        self.log.info(
            "Container %s: %s files fetched (%s bytes) to %s, %s unchanged, in %.1f s",
            self.container,
            report.files,
            f"{report.bytes:,}",
            self.destination,
            report.unchanged,
            time.monotonic() - begun,
        )
        return self.destination


class DeleteDataOperator(CheckedOperator):
    """
    Delete objects from a container: those under a folder, or those named. What is gone already is no error, and so
    is that there is nothing to delete.

    Results of trainings are deleted only where *prefix* is their folder or a folder in it, or *names* has them; never
    as a part of a larger folder or of everything. The container itself stays.

    :param container: the container. (templated)
    :param prefix: the folder whose objects are deleted. (templated)
    :param names: only these, by their full names, a text or a list of texts. (templated)
    :param everything: with no *prefix* and no *names*, delete all objects of the container; otherwise that is refused,
        when the DAG is parsed or, where *prefix* only becomes empty in a template, when the task runs.
    :param swift_conn_id: the connection to the object store. (templated)
    """

    template_fields: Sequence[str] = ("container", "prefix", "names", "swift_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "container": require_container,
        "prefix": require_folder_prefix,
        "names": optional(require_object_names),
        "everything": require_bool,
        "swift_conn_id": require_text,
    }
    ui_color = "#eeeeee"

    def __init__(
        self,
        *,
        container: str,
        prefix: str = "",
        names: Patterns = None,
        everything: bool = False,
        swift_conn_id: str = SwiftHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.container = container
        self.prefix = prefix
        self.names = names
        self.everything = everything
        self.swift_conn_id = swift_conn_id
        self.check_parameters()

    def execute(self, context: Context) -> None:
        """Delete, and say how many objects that were."""
        from airflow_dlaas.exceptions import ContainerNotFound
        from airflow_dlaas.storage.transfer.api import delete_objects

        self.check_parameters(rendered=True)
        with SwiftHook(self.swift_conn_id).store as store:
            try:
                gone = delete_objects(
                    store,
                    self.container,
                    prefix=self.prefix,
                    names=self.names,
                    exclude_filter=self._protected_results if self.names is None else None,
                )
            except ContainerNotFound as error:
                self.log.info("%s: nothing to delete", error)
                return
        self.log.info("Container %s: %s objects deleted", self.container, len(gone))

    def _protected_results(self, object_names: Sequence[str]) -> Sequence[str]:
        """Choose the results of trainings, which are deleted only where that was asked for."""
        from airflow_dlaas.contract.results import nested_result_objects

        left = nested_result_objects(object_names, self.prefix)
        if left:
            self.log.info("Container %s: %s objects stay, results of trainings", self.container, len(left))
        return left

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """Refuse to delete all of a container unless that was asked for."""
        if given["prefix"] == "" and given["names"] is None and given["everything"] is False:
            container = given["container"]
            which = "the container" if container is UNKNOWN else f"container {container!r}"
            raise InvalidValue(
                f"prefix is empty, which would delete all of {which}: give a prefix or names, or set everything=True"
            )


def _parse_asset_uri(uri: str, default_conn_id: str) -> tuple[str, str] | None:
    """Read connection and container in the address of an asset; *default_conn_id* where it names no connection."""
    parts = urlsplit(uri)
    named, _, container = parts.netloc.rpartition("@")
    return (unquote(named) or default_conn_id, unquote(container)) if parts.scheme == "swift" else None
