"""Finds the results of a training: the folder from the training, the connection from the task's definition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_dlaas.contract.data_manifest import MANIFEST_BASENAME
from airflow_dlaas.contract.store_names import require_container_name, require_object_name, require_prefix
from airflow_dlaas.exceptions import InvalidDefinition, InvalidName
from airflow_dlaas.plugin.airflow_api_client import AirflowApiClient
from airflow_dlaas.plugin.lookup import LookupResult, TrainingLookup
from airflow_dlaas.plugin.response_models import ResultFiles, TextPreview
from airflow_dlaas.plugin.result_files import PREVIEW_BYTES, result_files, text_preview
from airflow_dlaas.plugin.result_stores import ResultStores, read_chunks
from airflow_dlaas.plugin.task_instances import get_task_instance, rendered_definition, rendered_store_parts
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore
from airflow_dlaas.task_runs.definition import parse_definition, results_conn_id, results_container
from airflow_dlaas.task_runs.definition_parts import with_parts

T = TypeVar("T")

LOG_NAME = "learner-1/training-log.txt"
"""The log of a training in the folder of its results."""

MAX_MANIFEST_BYTES = 64 * 1024**2
"""Bytes of a manifest of training data that is read: about half a million objects."""


class ResultsUnavailable(Exception):
    """The results of a training cannot be shown; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """The folder of a training's results. Every method may block."""

    stores: ResultStores
    conn_id: str
    container: str
    folder: str
    """Without a slash at its end."""

    def list_files(self) -> ResultFiles:
        """List the files, by name."""
        return self._with_store(
            lambda store: result_files(self.container, self.folder, store.list_objects(self.container, self.prefix))
        )

    def preview(self, name: str) -> TextPreview:
        """Return the beginning of a file, as text."""
        path = self._object_name(name)
        return text_preview(
            self._with_store(lambda store: store.read_range(self.container, path, 0, PREVIEW_BYTES + 1))
        )

    def read_data_manifest(self) -> bytes:
        """
        Return the manifest of the training data that the training read.

        :raises ObjectNotFound: it stored none.
        :raises ResultsUnavailable: it is too large to be shown.
        """
        path = self._object_name(MANIFEST_BASENAME)

        def read(store: ObjectStore) -> bytes:
            size = store.get_layout(self.container, path).size
            if size > MAX_MANIFEST_BYTES:
                raise ResultsUnavailable(f"The list of the training data is too large to be shown ({size:,} bytes)")
            return store.read_range(self.container, path, 0, size)

        return self._with_store(read)

    def open(self, name: str) -> tuple[int, Iterator[bytes]]:
        """Return the size of a file in bytes, and its content in chunks."""
        path = self._object_name(name)
        layout = self._with_store(lambda store: store.get_layout(self.container, path))
        return layout.size, self._chunks(path, layout)

    def read_end(self, name: str, size: int) -> bytes:
        """Return the last *size* bytes of a file, or all of it."""
        path = self._object_name(name)

        def read(store: ObjectStore) -> bytes:
            end = store.get_layout(self.container, path).size
            return store.read_range(self.container, path, max(0, end - size), end)

        return self._with_store(read)

    @property
    def prefix(self) -> str:
        """What the names of all objects of the results begin with."""
        return f"{self.folder}/"

    def _chunks(self, path: str, layout: ObjectLayout) -> Iterator[bytes]:
        with self.stores.use(self.conn_id) as store:
            yield from read_chunks(store, self.container, path, layout)

    def _object_name(self, name: str) -> str:
        try:
            return require_object_name(f"{self.prefix}{require_object_name(name)}")
        except InvalidName as error:
            raise ResultsUnavailable(str(error)) from None

    def _with_store(self, action: Callable[[ObjectStore], T]) -> T:
        with self.stores.use(self.conn_id) as store:
            return action(store)


async def find_results(
    api: AirflowApiClient, lookup: TrainingLookup, stores: ResultStores, ref: TaskInstanceRef, training_id: str
) -> ResultFolder:
    """
    Find the results of a training of a task; no request is sent to the object store.

    :raises AirflowApiError: the user may not read the task.
    :raises TrainingNotFound: the task has no such training.
    :raises TrainingUnavailable: the service does not answer, and the task stored no summary of the training.
    :raises ResultsUnavailable: it has no results, or the connection to them is not known.
    """
    found = await lookup.require_for_task(api, ref, training_id)
    container, folder = _results_location(found)
    definition = _parsed_definition(await get_task_instance(api, found.ref))
    try:
        conn_id, named_container = results_conn_id(definition), results_container(definition)
    except (LookupError, TypeError, AttributeError):
        conn_id, named_container = None, None
    if conn_id is None:
        raise ResultsUnavailable("The task's definition names no connection to its results")
    if found.source == "task" and container != named_container:
        # The summary is an XCom: a user who may write XComs can name any container there.
        raise ResultsUnavailable(
            "The service does not know this training any more, and the task's definition names another container now"
        )
    return ResultFolder(stores, conn_id, container, folder)


def _results_location(found: LookupResult) -> tuple[str, str]:
    training = found.training
    results = training.entity.training_results if training else None
    if results is None or results.location is None:
        raise ResultsUnavailable("This training has stored no results")
    location = results.location
    try:
        folder = require_prefix(location.model_location).rstrip("/")
        container = require_container_name(location.container)
    except InvalidName as error:
        raise ResultsUnavailable(str(error)) from None
    if not folder:
        raise ResultsUnavailable("The location of the results is not a folder")
    return container, folder


def _parsed_definition(instance: Mapping[str, Any]) -> Mapping[str, Any]:
    rendered = rendered_definition(instance)
    if rendered is None:
        raise ResultsUnavailable(
            "This task has no training definition, which names the connection to the results: open the page of the "
            "task that submitted the training"
        )
    try:
        return with_parts(parse_definition(rendered), rendered_store_parts(instance))
    except InvalidDefinition:
        raise ResultsUnavailable(
            "The task's definition, which names the connection to the results, cannot be read: Airflow keeps no more "
            "of it than [core] max_templated_field_length characters"
        ) from None
