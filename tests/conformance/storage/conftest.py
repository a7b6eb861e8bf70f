"""Fixtures of the suite of object stores. To test another store, add it to `STORES`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.storage.open_object_store import OpenedStore, OpenOptions, open_object_store
from tests.object_stores.cases import StoreCase

STORES = ("swift", pytest.param("keystone", marks=pytest.mark.long), "embedded_s3", "moto", "gcs")
"""The stores of the suite; ``NAME_case`` is the fixture of each."""


@pytest.fixture(params=STORES, scope="session")
def case(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_case")


@pytest.fixture
def store(case: StoreCase) -> Iterator[OpenedStore]:
    """A store that does not retry: what a test sees is the first response."""
    with open_object_store(case.connection, OpenOptions(retry_policy=NO_RETRY)) as opened:
        yield opened


@pytest.fixture
def container(store: OpenedStore) -> str:
    name = f"c-{uuid.uuid4().hex}"
    store.create_container(name)
    return name
