"""Requests about trainings."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from airflow_dlaas.client.calls.call import (
    JSON_CONTENT_TYPE,
    Call,
    delete_request,
    encode_query,
    get_request,
    no_content,
    quote_segment,
)
from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.training import (
    CANCEL_PATCH,
    UNREADABLE_RECORD,
    Training,
    TrainingChanges,
    TrainingList,
    TrainingSummaryList,
    UnreadableTraining,
)
from airflow_dlaas.contract.training_inputs import TrainingInputsList
from airflow_dlaas.contract.usage_history import UsageHistory
from airflow_dlaas.exceptions import ProtocolError

TRAININGS_PATH = "/v3/models"

CURSOR_NOW = "now"
"""The cursor after all changes so far."""

_HEADER_SAFE_CHARS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")


def create_training(definition: TrainingDefinition, *, idempotency_key: str | None = None) -> Call[Training]:
    """
    Submit a training.

    :param idempotency_key: makes the call idempotent (extension `idempotency_key`): the service responds to the
        same key with the same training. Without a key, a lost response is an error, and the caller must find out
        whether a training was created. Characters that a header cannot carry are percent-encoded, so that different
        keys stay different.
    """
    headers = {"Idempotency-Key": quote(idempotency_key, safe=_HEADER_SAFE_CHARS)} if idempotency_key else {}
    return Call(
        "POST",
        TRAININGS_PATH,
        parse_response(Training),
        definition,
        headers=headers,
        is_idempotent=bool(headers),
        content_type=JSON_CONTENT_TYPE,
    )


def get_training(training_id: str) -> Call[Training]:
    """Request one training."""
    return get_request(training_path(training_id), _parse_training)


def get_training_entity(training_id: str) -> Call[dict[str, Any]]:
    """
    Request one training's entity as the service sends it: with the whole definition, which `Training` reads in part.

    Old servers do not mask the credentials in it; never log it.
    """
    return get_request(training_path(training_id), _parse_entity)


def get_training_document(training_id: str) -> Call[dict[str, Any]]:
    """Request one training as the service sends it. Old servers do not mask the credentials in it; never log it."""
    return get_request(training_path(training_id), _parse_document)


def list_trainings(limit: int | None = None) -> Call[TrainingList]:
    """List the newest trainings, up to *limit*; if there are more, `list_trainings_page` requests the next page."""
    return get_request(
        TRAININGS_PATH + (f"?{urlencode({'limit': limit})}" if limit else ""), parse_response(TrainingList)
    )


def list_trainings_page(path: str) -> Call[TrainingList]:
    """Request the page at *path*: the path of ``next.url`` of the page before."""
    return get_request(path, parse_response(TrainingList))


def list_training_inputs(path: str = f"{TRAININGS_PATH}?limit=200") -> Call[TrainingInputsList]:
    """
    List trainings like `list_trainings`, each with the trainings that it begins with, and its data.

    :param path: by default the first page; after that, the path of ``next.url``.
    """
    return get_request(path, parse_response(TrainingInputsList))


def list_training_summaries(path: str = f"{TRAININGS_PATH}?limit=200") -> Call[TrainingSummaryList]:
    """
    List trainings like `list_trainings`, but read only the ids and the descriptions.

    So a training that cannot be read (in an unknown state, for example) is in the list, too.

    :param path: by default the first page; after that, the path of ``next.url``.
    """
    return get_request(path, parse_response(TrainingSummaryList))


def list_changes(after: str, wait: int) -> Call[TrainingChanges]:
    """
    Wait up to *wait* seconds for trainings that changed after the cursor *after* (extension `changes`).

    The response to `CURSOR_NOW` comes at once, without trainings and with the cursor for the next request.
    """
    query = urlencode({"after": after, "wait": wait})
    return get_request(f"{TRAININGS_PATH}?{query}", parse_response(TrainingChanges), long_poll_seconds=wait)


def cancel_training(training_id: str) -> Call[None]:
    """
    Request that a training be canceled.

    The training may complete before the service stops it, and its state becomes `canceled` only afterwards.
    """
    return Call(
        "PATCH",
        training_path(training_id),
        no_content,
        CANCEL_PATCH,
        is_idempotent=True,
        content_type=JSON_CONTENT_TYPE,
    )


def acknowledge_training(training_id: str) -> Call[None]:
    """
    Record that the client has taken the result of a completed training (extension `acknowledgement`).

    Idempotent: the service keeps the first time. If the training has not completed, the response is `Conflict`.
    """
    return Call("PUT", f"{training_path(training_id)}/acknowledgement", no_content, is_idempotent=True)


def annotate_training(training_id: str, annotations: Annotations) -> Call[None]:
    """Set the note and the tags of a training, both together (extension `annotations`)."""
    return Call(
        "PUT",
        f"{training_path(training_id)}/annotations",
        no_content,
        annotations,
        is_idempotent=True,
        content_type=JSON_CONTENT_TYPE,
    )


def get_usage_history(training_id: str, *, points: int | None = None) -> Call[UsageHistory]:
    """Request the resources that a training used over time, *points* of each at most (extension `usage_history`)."""
    query = encode_query(points=points)
    return get_request(
        f"{training_path(training_id)}/usage" + (f"?{query}" if query else ""), parse_response(UsageHistory)
    )


def delete_training(training_id: str) -> Call[None]:
    """Delete the record of a finished training; its results stay in the object store."""
    return delete_request(training_path(training_id))


def training_path(training_id: str) -> str:
    """Return the path of a training."""
    return f"{TRAININGS_PATH}/{quote_segment(training_id)}"


def _parse_training(content: bytes) -> Training:
    """
    Read a training.

    :raises ProtocolError: *content* is not a training. If the service cannot read its own record, the message is that
        of the service.
    """
    try:
        return parse_response(Training)(content)
    except ProtocolError:
        try:
            status = parse_response(UnreadableTraining)(content).entity.status
        except ProtocolError:
            status = None
        if status is None or all(one.code != UNREADABLE_RECORD for one in status.error.errors):
            raise
    raise ProtocolError(status.message)


def _parse_entity(content: bytes) -> dict[str, Any]:
    match _parse_document(content):
        case {"entity": dict(entity)}:
            return entity
    raise ProtocolError("The service's response is not a training")


def _parse_document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ProtocolError("The service's response is not a training")
    return document
