"""The report of a training whose record in the database cannot be read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from airflow_dlaas.contract.error import ErrorItem, ErrorReport
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.training import (
    UNREADABLE_RECORD,
    ModelDefinitionSummary,
    UnreadableEntity,
    UnreadableStatus,
    UnreadableTraining,
)
from airflow_dlaas.service.store.records import TrainingRecord


def unreadable_report(record: TrainingRecord, metadata: Metadata, now: datetime, reason: str) -> dict[str, Any]:
    """
    Return a report with id, state, description (if it can be read), and an error with the code `UNREADABLE_RECORD`.

    :param reason: why the record cannot be read.
    """
    message = (
        f"The service cannot read its record of training {record.id} ({reason}); the log of the service has the details"
    )
    description = _description(record.definition)
    entity = UnreadableEntity(
        # Clients find their own trainings by the description.
        model_definition=ModelDefinitionSummary(description=description) if description is not None else None,
        status=UnreadableStatus(
            state=record.state,
            submitted_at=record.submitted_at,
            current_at=now,
            message=message,
            error=ErrorReport(
                trace=training_trace(record), errors=(ErrorItem(code=UNREADABLE_RECORD, message=message),)
            ),
        ),
    )
    return UnreadableTraining(metadata=metadata, entity=entity).model_dump(exclude_none=True)


def training_trace(record: TrainingRecord) -> str:
    """Return the trace of a training's error, which is the same in every response."""
    return hashlib.sha256(record.id.encode(errors="replace")).hexdigest()[:32]


def _description(definition: Mapping[str, Any]) -> str | None:
    model = definition.get("model_definition")
    description = model.get("description") if isinstance(model, Mapping) else None
    try:
        to_json(description)
    except PydanticSerializationError:  # half a surrogate pair
        return None
    return description if isinstance(description, str) else None
