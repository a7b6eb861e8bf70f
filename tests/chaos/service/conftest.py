"""Services that are killed, and a user of each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.contract.stores import SwiftStoreConnection
from tests.chaos.service.customer import Customer
from tests.chaos.service.killable_service import KillableService


@pytest.fixture(scope="module")
def customer(tmp_path_factory: pytest.TempPathFactory, swift: SwiftStoreConnection) -> Iterator[Customer]:
    """A user of a service that all tests of a module share and kill."""
    service = KillableService(tmp_path_factory.mktemp("chaos") / "home", DLAAS_GPUS="virtual:6")
    with contextlib.closing(service):
        service.start()
        customer = Customer(service, swift)
        customer.put_content(customer.create_experiment())
        yield customer


@pytest.fixture
def own_customer(tmp_path: Path, swift: SwiftStoreConnection) -> Iterator[Customer]:
    """A user of a service for one test."""
    service = KillableService(tmp_path / "home")
    with contextlib.closing(service):
        service.start()
        customer = Customer(service, swift)
        customer.put_content(customer.create_experiment())
        yield customer
