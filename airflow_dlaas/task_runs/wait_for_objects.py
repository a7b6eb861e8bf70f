"""Wait for objects: the query, the polling, and the event with its result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_dlaas.contract.results import is_internal
from airflow_dlaas.exceptions import ContainerNotFound, ProtocolError, StoreError, StoreRefused
from airflow_dlaas.task_runs.trigger_events import error_from_event

if TYPE_CHECKING:
    from airflow_dlaas._util.task_logger import TaskLogger
    from airflow_dlaas.storage.object_store import ObjectStore

MIN_POLL_INTERVAL = 1.0
"""Minimum number of seconds between two polls: a triggerer runs many triggers."""

MIN_POLL_TIMEOUT = 5.0
"""Seconds that a poll may take even if the deadline has passed, so that there is one poll in any case."""


@dataclass(frozen=True, slots=True)
class ObjectQuery:
    """The objects to wait for: the object *name*, or if that is None, *min_count* objects under the folder *prefix*."""

    container: str
    name: str | None
    prefix: str
    min_count: int

    def is_found(self, store: ObjectStore) -> bool:
        """
        Query the store once. A missing container holds no objects yet; markers of folders, and the internal objects
        that a training stores beside its results while it runs, do not count.

        A name is looked up in the listing too: an upload or a download that follows sees what the listing shows.
        """
        from airflow_dlaas.storage.transfer.plan import folder_prefix

        try:
            if self.name is not None:
                # It is the first of the names that begin with it.
                return any(one.name == self.name for one in islice(store.list_objects(self.container, self.name), 1))
            found = (
                one
                for one in store.list_objects(self.container, folder_prefix(self.prefix))
                if not one.is_folder_marker and not is_internal(one.name)
            )
            return sum(1 for _ in islice(found, self.min_count)) == self.min_count
        except ContainerNotFound:
            return False

    def __str__(self) -> str:
        if self.name is not None:
            return f"object {self.name!r} in container {self.container!r}"
        count = "an object" if self.min_count == 1 else f"{self.min_count} objects"
        return f"{count} under {self.prefix!r} in container {self.container!r}"


async def poll_until_found(
    poll: Callable[[], Awaitable[bool]], *, what: str, interval: float, deadline: float | None, logger: TaskLogger
) -> dict[str, Any]:
    """
    Poll every *interval* seconds until the objects exist or the *deadline* has passed; return the trigger event.

    Transient errors are retried. Each series of them is logged once, at WARNING, and so is its end, at INFO.

    :param what: the objects, for the log.
    :param deadline: seconds since the epoch, on the wall clock: the wait may continue in another process.
    """
    failure = ""
    while True:
        previous, failure = failure, ""
        try:
            if await asyncio.wait_for(
                poll(), None if deadline is None else max(MIN_POLL_TIMEOUT, deadline - time.time())
            ):
                return {"there": True}
        except asyncio.TimeoutError:
            failure = "The object store does not answer"
        except StoreError as error:
            if not error.transient:
                return {"refused" if isinstance(error, StoreRefused) else "failed": str(error)}
            failure = str(error)
        left = None if deadline is None else deadline - time.time()
        if left is not None and left <= 0:
            return {"overdue": failure}
        pause = max(interval, MIN_POLL_INTERVAL)
        if failure and not previous:
            logger.warning("Looking for %s failed (%s); retrying every %.0f s", what, failure, pause)
        elif previous and not failure:
            logger.info("The object store answers again; waiting for %s", what)
        await asyncio.sleep(pause if left is None else min(pause, left))


def parse_object_event(event: Any) -> str | None:
    """
    Read an event of an `ObjectTrigger`.

    :return: None if the objects exist; after a timeout the last error of the store, or "" if it answered.
    :raises StoreRefused, StoreError: the store refused, or failed permanently.
    :raises DlaasError: any other error of the trigger, as the same class.
    :raises ProtocolError: the error is of a class that is not ours, or the event is not from that trigger.
    """
    match event:
        case {"there": True}:
            return None
        case {"overdue": str(failure)}:
            return failure
        case {"refused": str(message)}:
            raise StoreRefused(message)
        case {"failed": str(message)}:
            raise StoreError(message)
        case {"error": {"kind": str(kind), "message": str(message)} as details}:
            raise error_from_event(kind, message, details)
        case _:
            raise ProtocolError("The task was resumed with an event that is not its trigger's")
