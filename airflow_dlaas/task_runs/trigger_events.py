"""Waiting on a worker, and taking up what a trigger reported."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_dlaas import exceptions
from airflow_dlaas.exceptions import ApiError, DlaasError, InvalidDefinition, ProtocolError

if TYPE_CHECKING:
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.connections import ServiceConnection
    from airflow_dlaas.task_runs.wait_for_training import Say


def deadline_after(start: datetime, timeout: timedelta | None) -> float | None:
    """When *timeout* from *start* is over, in seconds since the epoch."""
    return None if timeout is None else (start + timeout).timestamp()


def wait_for_training_sync(
    service_connection: ServiceConnection, training_id: str, *, deadline: float | None, say: Say
) -> Training:
    """Wait here, with the same eyes as the trigger; blocks."""
    from airflow_dlaas.client.training_watcher import shared_watcher
    from airflow_dlaas.hooks.dlaas import make_client
    from airflow_dlaas.task_runs.wait_for_training import wait_for_training

    async def waiting() -> Training:
        async with shared_watcher(service_connection, lambda: make_client(service_connection)) as watch:
            return await wait_for_training(watch.client, watch, training_id, deadline=deadline, say=say)

    return asyncio.run(waiting())


def training_event(training: Training) -> dict[str, Any]:
    """Report *training* as last seen."""
    return {"training": training.model_dump(mode="json")}


def error_event(error: Exception) -> dict[str, Any]:
    """Report why there is no training to report; `parse_training_event` raises it again, on the worker."""
    told: dict[str, Any] = {"kind": type(error).__name__, "message": str(error)}
    match error:
        case ApiError():
            told |= {"message": error.message, "code": error.code, "target": error.target}
        case InvalidDefinition():
            told |= {"problems": list(error.problems)}
    return {"error": told}


def parse_training_event(event: Any) -> Training:
    """
    Read what a trigger reported.

    :raises DlaasError: the one that the trigger met with, as the same class.
    :raises Misunderstood: it was none of ours, or the event is not our trigger's.
    """
    from airflow_dlaas.contract.training import Training

    match event:
        case {"training": Mapping() as training}:
            return Training.model_validate(training, extra="ignore")
        case {"error": {"kind": str(kind), "message": str(message)} as details}:
            raise error_from_event(kind, message, details)
        case _:
            raise ProtocolError("The task was resumed with an event that is not its trigger's")


def parse_event_key(event: Any) -> str:
    """
    Read the key of the training that a `TrainModelTrigger` reported on.

    :raises Misunderstood: the event is not that trigger's.
    """
    match event:
        case {"key": str(key)}:
            return key
        case _:
            raise ProtocolError("The task was resumed without the key of its training, and its event holds none")


def error_from_event(class_name: str, message: str, details: Mapping[Any, Any]) -> DlaasError:
    """Return the error that `error_event` reported; `ProtocolError`, with its name and message, where it is not ours."""
    found = getattr(exceptions, class_name, None)
    if not isinstance(found, type) or not issubclass(found, DlaasError):
        return ProtocolError(f"The wait in the triggerer broke off: {class_name}: {message}")
    if issubclass(found, ApiError):
        return found(message, code=details.get("code"), target=details.get("target"))
    if issubclass(found, InvalidDefinition):
        return found(details.get("problems", ()))
    if issubclass(found, exceptions.TrainingEnded):
        return ProtocolError(message)  # can't be: what a training's end means is judged here, not there
    return found(message)
