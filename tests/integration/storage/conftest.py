"""Fixtures of the tests of a real OpenStack Swift."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.swift.store import SwiftStore


@pytest.fixture
def store(swift: SwiftStoreConnection) -> Iterator[SwiftStore]:
    with SwiftStore.open(swift, retry_policy=NO_RETRY) as opened:
        yield opened


@pytest.fixture
def container(store: SwiftStore) -> str:
    name = f"container-{uuid.uuid4().hex}"
    store.create_container(name)
    return name


@pytest.fixture
def fs(store: SwiftStore) -> SwiftFileSystem:
    return SwiftFileSystem(store)
