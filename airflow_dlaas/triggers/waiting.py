"""Waiting on a worker, and taking up what a trigger reported."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_dlaas.errors import Misunderstood, NotFound, Unreachable

if TYPE_CHECKING:
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.access import ServiceAccess
    from airflow_dlaas.triggers.attend import Say


def deadline_after(start: datetime, timeout: timedelta | None) -> float | None:
    """When *timeout* from *start* is over, in seconds since the epoch."""
    return None if timeout is None else (start + timeout).timestamp()


def wait(access: ServiceAccess, training_id: str, *, deadline: float | None, say: Say) -> Training:
    """Wait here, with the same eyes as the trigger; blocks."""
    from airflow_dlaas.client.watch import shared
    from airflow_dlaas.hooks.dlaas import make_client
    from airflow_dlaas.triggers.attend import attend

    async def waiting() -> Training:
        async with shared(access, lambda: make_client(access)) as watch:
            return await attend(watch.client, watch, training_id, deadline=deadline, say=say)

    return asyncio.run(waiting())


def heard(training: Training) -> dict[str, Any]:
    """Report *training* as last seen."""
    return {"training": training.model_dump(mode="json")}


def unheard(error: NotFound | Unreachable) -> dict[str, Any]:
    """Report that there is no training to report."""
    return {"gone" if isinstance(error, NotFound) else "silent": str(error.args[0])}


def reported(event: Any) -> Training:
    """
    Read what `TrainingTrigger` reported.

    :raises NotFound: the service knows no such training.
    :raises Unreachable: nothing was heard of it until the deadline.
    :raises Misunderstood: the event is not that trigger's.
    """
    from airflow_dlaas.contract.training import Training

    match event:
        case {"training": Mapping() as training}:
            return Training.model_validate(training, extra="ignore")
        case {"gone": str(why)}:
            raise NotFound(why)
        case {"silent": str(why)}:
            raise Unreachable(why)
        case _:
            raise Misunderstood("The task was resumed with an event that is not its trigger's")
