"""Wait for objects: what is looked for, how often, and what is reported in the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_dlaas.exceptions import ContainerNotFound, ProtocolError, StoreError, StoreRefused
from airflow_dlaas.task_runs.trigger_events import error_from_event

if TYPE_CHECKING:
    from airflow_dlaas.storage.object_store import ObjectStore

MIN_POLL_INTERVAL = 1.0
"""Seconds between two looks at the least: the triggerer has others to attend to."""

MIN_POLL_TIMEOUT = 5.0
"""Seconds that a look may take though the deadline has passed: there should be one in any case."""


@dataclass(frozen=True, slots=True)
class ObjectQuery:
    """What is waited for: the object *name*, or where that is None, *min_count* objects under the folder *prefix*."""

    container: str
    name: str | None
    prefix: str
    min_count: int

    def is_found(self, store: ObjectStore) -> bool:
        """
        Look once. Of a container that is missing, nothing is there yet; what only marks a folder does not count.

        The listing is looked at also for a name: what it shows, an upload or a download that comes next sees too.
        """
        from airflow_dlaas.storage.transfer.plan import folder_prefix

        try:
            if self.name is not None:
                # Of the names that begin with it, it comes first.
                return any(one.name == self.name for one in islice(store.list_objects(self.container, self.name), 1))
            found = (
                one
                for one in store.list_objects(self.container, folder_prefix(self.prefix))
                if not one.is_folder_marker
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
    poll: Callable[[], Awaitable[bool]], *, interval: float, deadline: float | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """
    Look every *interval* seconds until it is there, or until the *deadline*; what there is to report.

    Trouble that passes is waited out, and said when it begins and when it is over.

    :param deadline: seconds since the epoch, on the wall clock: a waiter may wake up in another process.
    """
    trouble = ""
    while True:
        before = trouble
        try:
            there = await asyncio.wait_for(
                poll(), None if deadline is None else max(MIN_POLL_TIMEOUT, deadline - time.time())
            )
            if there:
                return {"there": True}
            trouble = ""
        except asyncio.TimeoutError:
            trouble = "The object store does not answer"
        except StoreError as error:
            if not error.transient:
                return {"refused" if isinstance(error, StoreRefused) else "failed": str(error)}
            trouble = str(error)
        if trouble and not before:
            say(f"{trouble}; waiting on")
        elif before and not trouble:
            say("The object store answers again")
        left = None if deadline is None else deadline - time.time()
        if left is not None and left <= 0:
            return {"overdue": trouble}
        pause = max(interval, MIN_POLL_INTERVAL)
        await asyncio.sleep(pause if left is None else min(pause, left))


def parse_object_event(event: Any) -> str | None:
    """
    Read what an `ObjectTrigger` reported: None if it is there, else the trouble there was when the time was up, or "".

    :raises StoreRefused, StoreError: the store said no.
    :raises DlaasError: any other error of ours that the trigger met with, as the same class.
    :raises Misunderstood: it was none of ours, or the event is not that trigger's.
    """
    match event:
        case {"there": True}:
            return None
        case {"overdue": str(trouble)}:
            return trouble
        case {"refused": str(why)}:
            raise StoreRefused(why)
        case {"failed": str(why)}:
            raise StoreError(why)
        case {"error": {"kind": str(kind), "message": str(message)} as details}:
            raise error_from_event(kind, message, details)
        case _:
            raise ProtocolError("The task was resumed with an event that is not its trigger's")
