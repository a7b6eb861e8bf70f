"""The time limit of a command is the lower one of two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from airflow_dlaas.service.learner.time_limit import time_limit

STORE = {"auth_url": "http://127.0.0.1:1/auth", "userId": "a", "password": "secret"}


def a_definition(**execution: Any) -> TrainingDefinition:
    return TrainingDefinition.model_validate(
        {
            "model_definition": {
                "name": "a",
                "definition_location": "https://example.org/v3/ml_assets/experiments/a",
                "framework": {"name": "tensorflow", "version": "2"},
                "execution": {"command": "true", "resources": {}, **execution},
            },
            "training_data": [{"connection": STORE, "source": {"container": "d", "type": "softlayer_objectstore"}}],
        }
    )


@pytest.mark.parametrize(
    ("of_service", "of_definition", "text"),
    [
        (60.0, None, "60 seconds, the time limit of this service (DLAAS_RUN_LIMIT)"),
        (60.0, 90, "60 seconds, the time limit of this service (DLAAS_RUN_LIMIT)"),
        (60.0, 2.5, "2.5 seconds, its own time limit (execution.time_limit)"),
        (None, 90, "90 seconds, its own time limit (execution.time_limit)"),
        (None, None, "None"),
    ],
)
def test_lower_limit_holds_and_is_named(of_service: float | None, of_definition: float | None, text: str) -> None:
    spec = JobSpec(
        training_id="training-a",
        command="true",
        runtime=RuntimeSpec(key="a", kind="venv", provides="a"),
        code=Path("code.zip"),
        environments=Path("environments"),
        gpus=(),
        timeout=of_service,
    )
    assert str(time_limit(spec, a_definition(time_limit=of_definition))) == text
