"""Fixtures of the tests of Google Cloud Storage."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.store_connections import GcsStoreConnection
from airflow_dlaas.storage.gcs.store import GcsStore
from tests.gcs_server import running_gcs
from tests.integration.storage.gcs.scripted_gcs import ScriptedGcs, running_script


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsStoreConnection]:
    with running_gcs() as connection:
        yield connection


@pytest.fixture
def gcs_store(gcs: GcsStoreConnection) -> Iterator[GcsStore]:
    with GcsStore.open(gcs, retry_policy=NO_RETRY) as opened:
        yield opened


@pytest.fixture
def bucket(gcs_store: GcsStore) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    gcs_store.create_container(name)
    return name


@pytest.fixture
def scripted() -> Iterator[ScriptedGcs]:
    with running_script() as server:
        yield server
