"""
Two services with one database: each training is started once, even if a service is killed or suspended.

Both share the directories of jobs and code, as two machines do on a shared file system, and the keys of
credentials.json, which encrypt secrets in the database. They share nothing else.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_dlaas.contract.stores import StoreConnection
from tests.chaos.service.audit import violations
from tests.chaos.service.customer import GATE, Customer
from tests.chaos.service.mortal import MortalService
from tests.chaos.service.victim import LEASE

SHARED = ("jobs", "blobs", "environments")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shared.sqlite'}"
    return str(request.getfixturevalue("postgresql_schema"))


@pytest.fixture
def pair(url: str, tmp_path: Path, swift: StoreConnection) -> Iterator[tuple[Customer, Customer]]:
    """One user of each of two services; the first service holds the lease."""
    with contextlib.ExitStack() as stack:
        customers: list[Customer] = []
        for name in ("one", "two"):
            home = tmp_path / name
            home.mkdir()
            for folder in SHARED:
                (tmp_path / folder).mkdir(exist_ok=True)
                (home / folder).symlink_to(tmp_path / folder)
            if customers:
                kept = json.loads((tmp_path / "one" / "credentials.json").read_text())
                (home / "credentials.json").write_text(json.dumps(kept | {"url": ""}))
            service = stack.enter_context(contextlib.closing(MortalService(home, DLAAS_DATABASE=url)))
            service.start()
            customers.append(Customer(service, swift))
        one, two = customers
        one.put_content(one.create_experiment())
        one.where = two.where = urlsplit(one.where).path
        yield one, two


def settle(pair: tuple[Customer, Customer], url: str) -> None:
    """Wait until every training has ended, and check the invariants of both services."""
    for customer in pair:
        for promise in customer.promises:
            assert customer.end(promise)["state"] == "completed"
            assert customer.begun(promise) == 1
        assert not violations(customer, url)


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_each_training_is_started_once_if_the_lease_holder_is_killed(pair, url):
    one, two = pair
    for customer in (*pair, *pair):
        customer.submit("sleep 0.5")
    one.service.kill()
    for _ in range(3):
        two.submit()
    for promise in two.promises:
        two.end(promise)
    one.service.start()
    settle(pair, url)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_lease_holder_that_was_suspended_longer_than_its_lease_does_not_act(pair, url):
    one, two = pair
    running = one.submit(GATE)
    one.processing(running)
    waiting = [two.submit(size="large"), two.submit()]
    one.service.freeze(LEASE.total_seconds() + 2)
    for promise in waiting:
        two.end(promise)
    one.open(running)
    for customer in (*pair, *pair):
        customer.submit()
    settle(pair, url)
