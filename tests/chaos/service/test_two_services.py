"""
Two services with one database: each training is started once, also if the holder of the lease is killed or suspended.

Both use the same folders of jobs and of code, as two machines do with a shared file system, and the same keys in
credentials.json, which encrypt the secrets in the database. Each service has its own other files.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_dlaas.contract.stores import SwiftStoreConnection
from tests.chaos.service.audit import find_violations
from tests.chaos.service.customer import WAIT_FOR_RELEASE, Customer
from tests.chaos.service.forked_service import LEASE_DURATION
from tests.chaos.service.killable_service import KillableService

SHARED = ("jobs", "blobs", "environments")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shared.sqlite'}"
    return str(request.getfixturevalue("postgresql_schema"))


@pytest.fixture
def pair(url: str, tmp_path: Path, swift: SwiftStoreConnection) -> Iterator[tuple[Customer, Customer]]:
    """A user of each of two services; the first service has the lease."""
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
            service = stack.enter_context(contextlib.closing(KillableService(home, DLAAS_DATABASE=url)))
            service.start()
            customers.append(Customer(service, swift))
        one, two = customers
        one.put_content(one.create_experiment())
        one.code_location = two.code_location = urlsplit(one.code_location).path
        yield one, two


def require_completed(pair: tuple[Customer, Customer], url: str) -> None:
    """Wait until all trainings are completed; check the invariants of both services."""
    for customer in pair:
        for submission in customer.submissions:
            assert customer.end(submission)["state"] == "completed"
            assert customer.command_starts(submission) == 1
        assert not find_violations(customer, url)


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_each_training_is_started_once_although_the_lease_holder_is_killed(pair, url):
    one, two = pair
    for customer in (*pair, *pair):
        customer.submit("sleep 0.5")
    one.service.kill()
    for _ in range(3):
        two.submit()
    for submission in two.submissions:
        two.end(submission)
    one.service.start()
    require_completed(pair, url)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_lease_holder_suspended_beyond_its_lease_starts_nothing_twice_after_it_resumes(pair, url):
    one, two = pair
    running = one.submit(WAIT_FOR_RELEASE)
    one.processing(running)
    waiting = [two.submit(size="large"), two.submit()]
    one.service.freeze(LEASE_DURATION.total_seconds() + 2)
    for submission in waiting:
        two.end(submission)
    one.release(running)
    for customer in (*pair, *pair):
        customer.submit()
    require_completed(pair, url)
