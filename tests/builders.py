"""Plain objects that many tests hand in."""

from __future__ import annotations

import json
from typing import Any

from airflow_dlaas.contract.training import Training
from airflow_dlaas.contract.words import received


def a_reply(state: str = "completed", **status: Any) -> bytes:
    """A training as a 2017 server echoed it: with keys we do not know, and credentials in clear."""
    return json.dumps(
        {
            "metadata": {
                "guid": "training-AbC_12-xY",
                "url": "/v3/models/training-AbC_12-xY",
                "created_at": "2026-11-23T02:00:00.000Z",
                "modified_at": "2026-11-23T02:00:00.000Z",
                "newer": 1,
            },
            "entity": {
                "model_definition": {
                    "name": "n",
                    "definition_location": "https://h/v3/x",
                    "framework": {"name": "tensorflow", "version": "1.2-py3"},
                    "execution": {"command": "true", "resourceType": "small", "nodes": 1},
                },
                "training_data": [{"connection": {"password": "in-clear"}}],
                "status": {
                    "state": state,
                    "submitted_at": "2026-11-23T02:00:00.000Z",
                    "current_at": "2026-11-23T02:00:01.000Z",
                    **status,
                },
            },
        }
    ).encode()


def a_training(state: str = "completed", **status: Any) -> Training:
    return received(Training)(a_reply(state, **status))
