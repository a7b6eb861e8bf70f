<<<<<<< HEAD
"""Services that are killed, and a user of one."""
=======
"""Services that are killed, and a user of each."""
>>>>>>> 5420c39 (Describe the chaos tests of the service in plain English, name their helpers by what they do, and log the random rounds)

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.contract.stores import StoreConnection
from tests.chaos.service.customer import Customer
from tests.chaos.service.killable_service import KillableService


@pytest.fixture(scope="module")
def customer(tmp_path_factory: pytest.TempPathFactory, swift: StoreConnection) -> Iterator[Customer]:
<<<<<<< HEAD
    """A user of one service, which all tests of a module kill in turn."""
    service = MortalService(tmp_path_factory.mktemp("chaos") / "home", DLAAS_GPUS="virtual:6")
    with contextlib.closing(service):
        service.start()
        user = Customer(service, swift)
        user.put_content(user.create_experiment())
        yield user
=======
    """A user of a service that all tests of a module share and kill."""
    service = KillableService(tmp_path_factory.mktemp("chaos") / "home", DLAAS_GPUS="virtual:6")
    with contextlib.closing(service):
        service.start()
        customer = Customer(service, swift)
        customer.put_content(customer.create_experiment())
        yield customer
>>>>>>> 5420c39 (Describe the chaos tests of the service in plain English, name their helpers by what they do, and log the random rounds)


@pytest.fixture
def own_customer(tmp_path: Path, swift: StoreConnection) -> Iterator[Customer]:
<<<<<<< HEAD
    """A user of a service that belongs to one test."""
    service = MortalService(tmp_path / "home")
    with contextlib.closing(service):
        service.start()
        user = Customer(service, swift)
        user.put_content(user.create_experiment())
        yield user
=======
    """A user of a service for one test."""
    service = KillableService(tmp_path / "home")
    with contextlib.closing(service):
        service.start()
        customer = Customer(service, swift)
        customer.put_content(customer.create_experiment())
        yield customer
>>>>>>> 5420c39 (Describe the chaos tests of the service in plain English, name their helpers by what they do, and log the random rounds)
