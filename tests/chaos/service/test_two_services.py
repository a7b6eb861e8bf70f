"""
Two services with one database: each training is started once, whoever leads, dies or freezes.

Both have the folders of jobs and of code in common, as two machines have them on a shared file system, and the keys of
credentials.json, which secrets in the database are sealed with. Everything else is each one's own.
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
    """A customer of each of two services; the first one leads."""
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
    """Wait for every end, and hold both services to their answers."""
    for customer in pair:
        for promise in customer.promises:
            assert customer.end(promise)["state"] == "completed"
            assert customer.begun(promise) == 1
        assert not violations(customer, url)


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_each_training_is_started_once_although_the_leader_is_killed(pair, url):
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
def test_a_leader_frozen_for_longer_than_its_lease_does_no_harm_when_it_wakes(pair, url):
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
