"""Trigger events: what a trigger reports to the task that it wakes, and how the task reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_dlaas import exceptions
from airflow_dlaas.exceptions import ApiError, DlaasError, InvalidDefinition, ProtocolError

if TYPE_CHECKING:
    from airflow_dlaas.contract.training import Training


def training_event(training: Training) -> dict[str, Any]:
    """Return the event with the last known status of *training*."""
    return {"training": training.model_dump(mode="json")}


def error_event(error: Exception) -> dict[str, Any]:
    """Return the event with *error*; `parse_training_event` raises it again, on the worker."""
    details: dict[str, Any] = {"kind": type(error).__name__, "message": str(error)}
    match error:
        case ApiError():
            details |= {"message": error.message, "code": error.code, "target": error.target}
        case InvalidDefinition():
            details |= {"problems": list(error.problems)}
    return {"error": details}


def parse_training_event(event: Any) -> Training:
    """
    Read the training from a trigger's event.

    :raises DlaasError: the error of the trigger, as the same class.
    :raises ProtocolError: the error is of a class that is not ours, or the event is not from our trigger.
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
    Read the key of the training from an event of a `TrainModelTrigger`.

    :raises ProtocolError: the event is not from that trigger.
    """
    match event:
        case {"key": str(key)}:
            return key
        case _:
            raise ProtocolError("The task was resumed without the key of its training, and its event holds none")


def error_from_event(class_name: str, message: str, details: Mapping[Any, Any]) -> DlaasError:
    """Return the error of an `error_event`; a `ProtocolError` with its name and message if the class is not ours."""
    found = getattr(exceptions, class_name, None)
    if not isinstance(found, type) or not issubclass(found, DlaasError):
        return ProtocolError(f"The wait in the triggerer failed: {class_name}: {message}")
    if issubclass(found, ApiError):
        return found(message, code=details.get("code"), target=details.get("target"))
    if issubclass(found, InvalidDefinition):
        return found(details.get("problems", ()))
    if issubclass(found, exceptions.TrainingEnded):
        # Triggers do not raise it: `raise_for_state` decides on the worker.
        return ProtocolError(message)
    return found(message)
