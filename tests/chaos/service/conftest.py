"""Services that die, and somebody who trains on one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.contract.stores import StoreConnection
from tests.chaos.service.customer import Customer
from tests.chaos.service.mortal import MortalService


@pytest.fixture(scope="module")
def customer(tmp_path_factory: pytest.TempPathFactory, swift: StoreConnection) -> Iterator[Customer]:
    """Somebody on a service that all tests of a module kill in turn."""
    service = MortalService(tmp_path_factory.mktemp("chaos") / "home", DLAAS_GPUS="virtual:6")
    with contextlib.closing(service):
        service.start()
        someone = Customer(service, swift)
        someone.put_content(someone.create_experiment())
        yield someone


@pytest.fixture
def own_customer(tmp_path: Path, swift: StoreConnection) -> Iterator[Customer]:
    """Somebody on a service of the test's own."""
    service = MortalService(tmp_path / "home")
    with contextlib.closing(service):
        service.start()
        someone = Customer(service, swift)
        someone.put_content(someone.create_experiment())
        yield someone
