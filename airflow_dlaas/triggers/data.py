"""The trigger that waits for objects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dlaas.hooks.object_store import ObjectStoreHook


class ObjectTrigger(BaseTrigger):
    """
    Polls an object store until objects exist, or until *deadline* on the wall clock.

    The deadline is wall-clock time because a trigger is stored and may continue in another process. All triggers of
    one connection share one store, with its token and its connections.

    :param container: the container; it may not exist yet.
    :param store_conn_id: the connection to the object store.
    :param swift_conn_id: its name in the rows of triggers that an earlier version stored.
    :param name: the object; None means *min_count* objects under *prefix*.
    :param prefix: the folder of the objects, if *name* is None; their names do not matter.
    :param min_count: the number of objects, if *name* is None.
    :param poke_interval: seconds between two polls.
    :param deadline: seconds since the epoch; None means no limit.
    :param deferred_at: when the task was deferred, in seconds since the epoch; see `first_event`.
    """

    def __init__(
        self,
        *,
        container: str,
        store_conn_id: str | None = None,
        swift_conn_id: str | None = None,
        name: str | None = None,
        prefix: str = "",
        min_count: int = 1,
        poke_interval: float = 60.0,
        deadline: float | None = None,
        deferred_at: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.container = container
        self.store_conn_id = store_conn_id or swift_conn_id or ObjectStoreHook.default_conn_name
        self.name = name
        self.prefix = prefix
        self.min_count = min_count
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.deferred_at = deferred_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments from which another process makes this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "container": self.container,
                "store_conn_id": self.store_conn_id,
                "name": self.name,
                "prefix": self.prefix,
                "min_count": self.min_count,
                "poke_interval": self.poke_interval,
                "deadline": self.deadline,
                "deferred_at": self.deferred_at,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the objects exist, the deadline has passed, or an error; `parse_object_event` reads it."""
        from airflow_dlaas.task_runs.first_event import wait_before_first_event
        from airflow_dlaas.task_runs.shared_store import shared_store
        from airflow_dlaas.task_runs.trigger_events import error_event
        from airflow_dlaas.task_runs.wait_for_objects import ObjectQuery, poll_until_found

        query = ObjectQuery(self.container, self.name, self.prefix, self.min_count)
        try:
            async with shared_store(await ObjectStoreHook(self.store_conn_id).aget_store_connection()) as shared:
                event = await poll_until_found(
                    lambda: shared.poll(query),
                    what=str(query),
                    interval=self.poke_interval,
                    deadline=self.deadline,
                    logger=self.log,
                )
        except Exception as error:
            # The worker raises the error: Airflow hides the cause of an error that leaves a trigger.
            self.log.warning(
                "Waiting for %s failed (%s); the task is resumed with the error", query, error, exc_info=error
            )
            event = error_event(error)
        await wait_before_first_event(self.deferred_at)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]
