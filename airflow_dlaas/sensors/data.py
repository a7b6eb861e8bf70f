"""The sensor that awaits training data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.swift import SwiftHook, make_store
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
    require_text,
)
from airflow_dlaas.sensors.deferrable import DeferrableSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.storage.swift.store import SwiftStore
    from airflow_dlaas.task_runs.wait_for_objects import ObjectQuery


class ObjectSensor(DeferrableSensor):
    """
    Wait for an object, or for a number of them under a folder.

    Returns where it is, as ``swift://<connection>@<container>/<name or prefix>``. An object is there when it is
    complete. A container that is missing yet is waited for too, and so is a store that does not answer; one that
    refuses fails the sensor at once. ``exponential_backoff`` and ``silent_fail`` mean nothing to a deferred one.

    :param container: the container. (templated)
    :param name: the object, by its full name. (templated)
    :param prefix: without *name*: the folder that objects are waited for in; all of the container if empty.
        (templated)
    :param min_count: how many objects, without *name*.
    :param deferrable: wait in the triggerer, without holding a worker. The default is Airflow's own,
        ``[operators] default_deferrable``.
    :param swift_conn_id: the connection to the object store. (templated)
    """

    template_fields: Sequence[str] = ("container", "name", "prefix", "swift_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "container": require_container,
        "name": optional(require_object),
        "prefix": require_folder_prefix,
        "min_count": require_positive_int,
        "deferrable": require_bool,
        "swift_conn_id": require_text,
    }
    ui_color = "#e5f5e0"

    def __init__(
        self,
        *,
        container: str,
        name: str | None = None,
        prefix: str = "",
        min_count: int = 1,
        swift_conn_id: str = SwiftHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.container = container
        self.name = name
        self.prefix = prefix
        self.min_count = min_count
        self.swift_conn_id = swift_conn_id
        self.check_parameters()

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """Refuse what is for many objects beside the name of one."""
        many = given["prefix"] not in {"", UNKNOWN} or given["min_count"] not in {1, UNKNOWN}
        if many and given["name"] not in {None, UNKNOWN}:
            raise InvalidValue("name means one object; leave prefix and min_count out, or name")

    def execute(self, context: Context) -> Any:
        """Look here, from time to time or, to be deferred, once; a deferred one looks on in the triggerer."""
        self.check_parameters(rendered=True)
        deadline = self.deadline_from(time.time())
        with self.skip_on_failure(), self._store:
            if not self.deferrable:
                return super().execute(context)
            there = self.poke(context)
        if not there:
            from airflow_dlaas.triggers.data import ObjectTrigger

            self.defer_until(
                ObjectTrigger(
                    container=self.container,
                    swift_conn_id=self.swift_conn_id,
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
        """Look once; a store that does not answer is asked again the next time."""
        from airflow.sdk import PokeReturnValue

        from airflow_dlaas.exceptions import StoreError

        try:
            there = self._query.is_found(self._store)
        except StoreError as error:
            if not error.transient:
                raise
            self.log.warning("Looking for %s failed (%s); retrying at the next poke", self._query, error)
            return False
        if not there:
            self.log.info("Waiting for %s", self._query)
            return False
        self.log.info("Found %s", self._query)
        return PokeReturnValue(is_done=True, xcom_value=self._uri)

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Finish the task with the event of its trigger; return where the objects are."""
        from airflow_dlaas.task_runs.wait_for_objects import parse_object_event

        trouble = parse_object_event(event)
        if trouble is not None:
            words = f"The sensor has timed out: {self.effective_timeout:g} s have passed without {self._query}"
            raise self.timeout_error(f"{words} ({trouble})" if trouble else words)
        self.log.info("Found %s", self._query)
        return self._uri

    @cached_property
    def _store(self) -> SwiftStore:
        # Impatient: whatever passes is waited out between two looks.
        return make_store(SwiftHook(self.swift_conn_id).swift_connection, retry=False)

    @property
    def _query(self) -> ObjectQuery:
        from airflow_dlaas.task_runs.wait_for_objects import ObjectQuery

        return ObjectQuery(self.container, self.name, self.prefix, self.min_count)

    @property
    def _uri(self) -> str:
        return f"swift://{self.swift_conn_id}@{self.container}/{self.prefix if self.name is None else self.name}"
