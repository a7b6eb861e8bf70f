"""The sensor that waits for training data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.object_store import ObjectStoreHook, make_store
from airflow_dlaas.parameters.checked_operator import UNKNOWN
from airflow_dlaas.parameters.checks import (
    InvalidValue,
    ParameterCheck,
    optional,
    require_bool,
    require_container,
    require_folder_prefix,
    require_object,
    require_positive_int,
)
from airflow_dlaas.parameters.store_operator import StoreOperator
from airflow_dlaas.sensors.deferrable import DeferrableSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection
    from airflow_dlaas.storage.open_object_store import OpenedStore
    from airflow_dlaas.task_runs.wait_for_objects import ObjectQuery


class ObjectSensor(StoreOperator, DeferrableSensor):
    """
    Wait for an object, or for a number of objects under a folder.

    Returns the URI, ``swift://<connection>@<container>/<name or prefix>``, or the same with ``s3://`` or ``gs://``. An
    object is found when it is complete. The sensor also waits while the container is missing or the object store does
    not answer. If the store refuses a request, the sensor fails at once. A deferred sensor ignores
    ``exponential_backoff`` and ``silent_fail``.

    :param container: the container. (templated)
    :param name: the full name of the object. (templated)
    :param prefix: without *name*: the folder of the objects; empty for the whole container. (templated)
    :param min_count: without *name*: the number of objects to wait for.
    :param deferrable: wait in the triggerer, and occupy no worker. The default is that of Airflow,
        ``[operators] default_deferrable``.
    :param store_conn_id: the id of the connection to the object store, which decides what store it is: of type `swift`,
        `aws` (S3) or `google_cloud_platform`; ``swift_default`` if not given. *swift_conn_id* is its older name.
        (templated)
    """

    template_fields: Sequence[str] = ("container", "name", "prefix", *StoreOperator.template_fields)
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "container": require_container,
        "name": optional(require_object),
        "prefix": require_folder_prefix,
        "min_count": require_positive_int,
        "deferrable": require_bool,
        **StoreOperator.parameters,
    }
    ui_color = "#e5f5e0"

    def __init__(
        self,
        *,
        container: str,
        name: str | None = None,
        prefix: str = "",
        min_count: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.container = container
        self.name = name
        self.prefix = prefix
        self.min_count = min_count
        self.check_parameters()

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """Refuse *prefix* or *min_count* together with *name*."""
        super().check_combination(given)
        has_folder_parameters = given["prefix"] not in {"", UNKNOWN} or given["min_count"] not in {1, UNKNOWN}
        if has_folder_parameters and given["name"] not in {None, UNKNOWN}:
            raise InvalidValue("name means one object: leave out prefix and min_count, or leave out name")

    def execute(self, context: Context) -> Any:
        """Poll on the worker; a deferrable sensor polls once here, and then waits in the triggerer."""
        self.check_parameters(rendered=True)
        deadline = self.deadline_from(time.time())
        with self.skip_on_failure(), self._store:
            if not self.deferrable:
                return super().execute(context)
            is_found = self.poke(context)
        if not is_found:
            from airflow_dlaas.triggers.data import ObjectTrigger

            self.defer_until(
                ObjectTrigger(
                    container=self.container,
                    store_conn_id=self.conn_id_of_store,
                    name=self.name,
                    prefix=self.prefix,
                    min_count=self.min_count,
                    poke_interval=self.poke_interval,
                    deadline=deadline,
                    deferred_at=time.time(),
                ),
                deadline,
                method_name=self.execute_complete.__name__,
            )
        return self._uri

    def poke(self, context: Context) -> Any:
        """Poll once; after a transient error of the object store the next poll follows."""
        from airflow.sdk import PokeReturnValue

        from airflow_dlaas.exceptions import StoreError

        try:
            is_found = self._query.is_found(self._store)
        except StoreError as error:
            if not error.transient:
                raise
            self.log.warning("Looking for %s failed (%s); retrying at the next poll", self._query, error)
            return False
        if not is_found:
            self.log.info("Waiting for %s", self._query)
            return False
        self.log.info("Found %s", self._query)
        return PokeReturnValue(is_done=True, xcom_value=self._uri)

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Finish the task with the event of its trigger; return where the objects are."""
        from airflow_dlaas.task_runs.wait_for_objects import parse_object_event

        last_error = parse_object_event(event)
        if last_error is not None:
            message = f"The sensor has timed out: {self.effective_timeout:g} s have passed without {self._query}"
            raise self.timeout_error(f"{message} ({last_error})" if last_error else message)
        self.log.info("Found %s", self._query)
        return self._uri

    @cached_property
    def _connection(self) -> ObjectStoreConnection:
        return ObjectStoreHook(self.conn_id_of_store).store_connection

    @cached_property
    def _store(self) -> OpenedStore:
        # No retries: the next poll follows anyway.
        return make_store(self._connection, retry=False)

    @property
    def _query(self) -> ObjectQuery:
        from airflow_dlaas.task_runs.wait_for_objects import ObjectQuery

        return ObjectQuery(self.container, self.name, self.prefix, self.min_count)

    @property
    def _uri(self) -> str:
        return self._connection.uri(self.container, self.prefix if self.name is None else self.name)
