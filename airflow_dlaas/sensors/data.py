"""The sensor that awaits training data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.swift import SwiftHook, make_store
from airflow_dlaas.parameters.checked_operator import UNKNOWN
from airflow_dlaas.parameters.checks import (
    Kind,
    Unfit,
    optional,
    require_container,
    require_count,
    require_flag,
    require_folder,
    require_object,
    require_text,
)
from airflow_dlaas.sensors.deferrable import DeferrableSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.storage.swift.store import SwiftStore
    from airflow_dlaas.task_runs.wait_for_objects import Sought


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
    parameters: ClassVar[Mapping[str, Kind]] = {
        "container": require_container,
        "name": optional(require_object),
        "prefix": require_folder,
        "min_count": require_count,
        "deferrable": require_flag,
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
    def check_together(cls, given: Mapping[str, Any]) -> None:
        """Refuse what is for many objects beside the name of one."""
        many = given["prefix"] not in {"", UNKNOWN} or given["min_count"] not in {1, UNKNOWN}
        if many and given["name"] not in {None, UNKNOWN}:
            raise Unfit("name means one object; leave prefix and min_count out, or name")

    def execute(self, context: Context) -> Any:
        """Look here, from time to time or, to be deferred, once; a deferred one looks on in the triggerer."""
        self.check_parameters(rendered=True)
        deadline = self.deadline_from(time.time())
        with self.skipping(), self._store:
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
                method_name=self.resume.__name__,
            )
        return self._where

    def poke(self, context: Context) -> Any:
        """Look once; a store that does not answer is asked again the next time."""
        from airflow.sdk import PokeReturnValue

        from airflow_dlaas.exceptions import StoreError

        try:
            there = self._sought.is_there(self._store)
        except StoreError as error:
            if not error.transient:
                raise
            self.log.warning("%s; waiting on", error)
            return False
        if not there:
            self.log.info("Waiting for %s", self._sought)
            return False
        self.log.info("Found %s", self._sought)
        return PokeReturnValue(is_done=True, xcom_value=self._where)

    def resume(self, context: Context, event: Any) -> str:
        """Take up the task when its trigger has reported."""
        from airflow_dlaas.task_runs.wait_for_objects import reported

        trouble = reported(event)
        if trouble is not None:
            words = f"The sensor has timed out: {self.limit:g} s have passed without {self._sought}"
            raise self.overdue(f"{words} ({trouble})" if trouble else words)
        self.log.info("Found %s", self._sought)
        return self._where

    @cached_property
    def _store(self) -> SwiftStore:
        # Impatient: whatever passes is waited out between two looks.
        return make_store(SwiftHook(self.swift_conn_id).access, patient=False)

    @property
    def _sought(self) -> Sought:
        from airflow_dlaas.task_runs.wait_for_objects import Sought

        return Sought(self.container, self.name, self.prefix, self.min_count)

    @property
    def _where(self) -> str:
        return f"swift://{self.swift_conn_id}@{self.container}/{self.prefix if self.name is None else self.name}"
