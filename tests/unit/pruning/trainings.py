"""Trainings as the service lists them, for the tests of pruning."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def training_id(letter: str) -> str:
    return f"training-{letter * 9}"


def document(
    letter: str, age_days: float = 0, *, name: str = "mnist", state: str = "completed", **more: Any
) -> dict[str, Any]:
    """
    Return a training that was submitted so many days before `NOW` and ended then.

    :param more: ``entity`` is merged into its content, everything else into its status.
    """
    guid, at = training_id(letter), (NOW - timedelta(days=age_days)).isoformat()
    entity = more.pop("entity", {})
    ended = {"finished_at": at} if state in {"completed", "error", "canceled"} else {}
    return {
        "metadata": {"guid": guid, "url": f"/v3/models/{guid}", "created_at": at, "modified_at": at},
        "entity": {
            "model_definition": {
                "name": name,
                "definition_location": "http://h/v3/ml_assets/experiments/e/versions/v",
                "framework": {"name": "tensorflow", "version": "2.21"},
                "execution": {"command": "true", "resourceType": "small"},
            },
            "training_data": [{"connection": {"password": "in-clear"}, "source": {"container": "c"}}],
            "training_results": {"location": {"container": "c", "model_location": guid}},
            "status": {"state": state, "submitted_at": at, "current_at": NOW.isoformat(), **ended, **more},
            **entity,
        },
    }


def metrics(**values: float) -> list[dict[str, Any]]:
    """Return the last metrics of a training, of the phase "validation"."""
    found = [{"name": name, "value": value} for name, value in values.items()]
    return [{"timestamp": NOW.isoformat(), "iteration": 1, "phase": "validation", "values": found}]
