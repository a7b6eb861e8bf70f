"""One suite, every database."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.base import ExperimentRecord, TrainingRecord, VersionRecord
from airflow_dlaas.service.store.sql import SqlStore

POSTGRES = "TEST_POSTGRES_URL"
"""URL of a PostgreSQL where schemas may be made, postgresql+psycopg://…; each test makes and drops its own."""

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)
SECRET = "the-key-of-the-object-store"


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_definition(name: str = "m") -> TrainingDefinition:
    return TrainingDefinition.read(
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


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    server = os.environ.get(POSTGRES)
    if not server:
        pytest.skip(f"{POSTGRES} names no PostgreSQL")
    name = f"dlaas_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    found = make_url(server).update_query_dict({"options": f"-csearch_path={name}"})
    yield found.render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """A store over it; no connection may be out when the test is over."""
    store = SqlStore(url)
    yield store
    assert store._database._engine.pool.checkedout() == 0
    store.close()
