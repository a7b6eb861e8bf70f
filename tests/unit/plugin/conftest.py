"""Fixtures of the tests of the plugin."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from airflow_dlaas.plugin.app import create_app
from airflow_dlaas.plugin.lookup import TrainingLookup
from airflow_dlaas.plugin.routes import dependencies
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY
from tests.memory_store import MemoryStore
from tests.unit.plugin.airflow import FakeAirflow
from tests.unit.plugin.page_requests import REF, FakeService, FakeStores, Pages


@pytest.fixture
def pages() -> Pages:
    airflow = FakeAirflow({(REF, TRAINING_XCOM_KEY): {"connection": "c", "id": "training-1"}}, {"anna": {"nightly"}})
    service = FakeService()
    stores = FakeStores(MemoryStore())
    app = create_app(TrainingLookup(service), stores)  # type: ignore[arg-type]
    app.dependency_overrides[dependencies._has_edit_access] = lambda: True
    app.dependency_overrides[dependencies._airflow_api] = lambda: airflow.api_of("anna")
    return Pages(airflow, service, app, TestClient(app), stores)
