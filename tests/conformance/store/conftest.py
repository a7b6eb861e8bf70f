"""Fixtures of the store suite, which runs on every database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.records import ExperimentRecord, TrainingRecord, VersionRecord
from airflow_dlaas.service.store.sql import SqlStore

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)
SECRET = "the-key-of-the-object-store"


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_definition(name: str = "m") -> TrainingDefinition:
    return TrainingDefinition.parse(
        {
            "model_definition": {
                "name": name,
                "definition_location": "/v3/ml_assets/experiments/e",
                "framework": {"name": "tensorflow", "version": "2"},
                "execution": {"command": "true", "resourceType": "small"},
            },
            "training_data": [
                {
                    "connection": {"auth_url": "http://s/auth/v1.0", "userId": "a:b", "password": SECRET},
                    "source": {"container": "c", "type": "softlayer_objectstore"},
                }
            ],
        }
    )


def a_training(id: str, owner: str = "me") -> TrainingRecord:
    return TrainingRecord(
        id=id,
        owner=owner,
        definition=a_definition().model_dump(mode="json", exclude_unset=True),
        code=f"code-of-{id}",
        slots=1,
        runtime="tf",
        provides="TensorFlow",
        state=TrainingState.PENDING,
        submitted_at=NOW,
        modified_at=NOW,
    )


def an_experiment(id: str, owner: str = "me") -> tuple[ExperimentRecord, VersionRecord]:
    return ExperimentRecord(id, owner, {"name": id}, NOW), VersionRecord(f"{id}-1", id, 1, NOW)


def add(store: SqlStore, *ids: str, owner: str = "me") -> None:
    for one in ids:
        store.create_training(a_training(one, owner), a_definition(), key=None, request_digest="d")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return str(request.getfixturevalue("postgresql_schema"))


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """Yield a store in that database; after the test, no connection may be in use."""
    store = SqlStore(url)
    yield store
    assert store._database._engine.pool.checkedout() == 0
    store.close()
