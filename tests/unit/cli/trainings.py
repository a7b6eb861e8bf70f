"""Trainings for the tests of the console."""

from __future__ import annotations

import json
from typing import Any

from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.training import Training


def training_document(training_id: str = "training-AbC_12-xY", name: str = "test", **status: Any) -> dict[str, Any]:
    """Return a training as the service sends it, with *status* in its status."""
    return {
        "metadata": {
            "guid": training_id,
            "url": f"/v3/models/{training_id}",
            "created_at": "2026-12-01T00:00:00.000Z",
            "modified_at": "2026-12-01T00:00:00.000Z",
        },
        "entity": {
            "model_definition": {
                "name": name,
                "definition_location": "http://h/v3/ml_assets/experiments/e/versions/v",
                "framework": {"name": "tensorflow", "version": "2.21"},
                "execution": {"command": "true", "resourceType": "small"},
            },
            "status": {
                "state": "completed",
                "submitted_at": "2026-12-01T00:00:00.000Z",
                "current_at": "2026-12-01T02:00:00.000Z",
                **status,
            },
        },
    }


def make_training(name: str = "test", **status: Any) -> Training:
    """Return a training with *status* in its status."""
    return parse_response(Training)(json.dumps(training_document(name=name, **status)).encode())
