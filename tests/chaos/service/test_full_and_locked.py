"""A full disk and a locked database: requests are refused or wait, and no confirmed training is lost."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_dlaas.contract.stores import SwiftStoreConnection
from tests.chaos.service.audit import find_violations
from tests.chaos.service.customer import TRAININGS, WAIT_FOR_RELEASE, Customer
from tests.chaos.service.killable_service import KillableService

DISK_SIZE = 8 * 1024**2
"""The size of the small disk, in bytes."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of `DISK_SIZE`."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        reason = mounted.stderr.decode().strip()
        pytest.skip(f"A small disk cannot be mounted ({reason}): run the tests as root, where mounting is allowed")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill the file system of *folder* during the block."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1024**2, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def customer_on(service: KillableService, swift: SwiftStoreConnection) -> Iterator[Customer]:
    with contextlib.closing(service):
        service.start()
        customer = Customer(service, swift)
        customer.put_content(customer.create_experiment())
        yield customer


def test_database_on_a_full_disk_refuses_trainings_and_keeps_its_content(small_disk, tmp_path, swift):
    database = small_disk / "database.sqlite"
    service = KillableService(tmp_path / "home", DLAAS_DATABASE=f"sqlite:///{database}")
    with customer_on(service, swift) as customer:
        before = customer.submit(WAIT_FOR_RELEASE)
        customer.processing(before)
        with filled(small_disk):
            customer.release(before)  # its end cannot be recorded for now
            refused = 0
            for number in range(40):  # the log of the database may still have space for some
                reply = service.send("POST", TRAININGS, key=f"full-{number}", json=customer.definition("true", "small"))
                refused += reply.status_code >= 500
                if reply.status_code >= 500:
                    assert reply.json()["trace"]
                    assert reply.json()["errors"][0]["code"]
                    break
            assert refused, "the disk was not full"
            assert customer.training(before)["state"] in {"running", "completed"}  # it can still be read
            time.sleep(1.5)
        after = customer.submit()
        assert customer.end(before)["state"] == "completed"
        assert customer.end(after)["state"] == "completed"
        assert not find_violations(customer, f"sqlite:///{database}")


def test_training_without_disk_space_ends_with_that_reason_and_the_next_one_runs(small_disk, tmp_path, swift):
    home = tmp_path / "home"
    home.mkdir()
    (home / "jobs").symlink_to(small_disk)
    with customer_on(KillableService(home), swift) as customer:
        with filled(small_disk):
            failed = customer.submit(end_states=("error",), exit_code=None)
            ended = customer.end(failed)
            [error] = ended["error"]["errors"]
            assert error["code"] == "S101"
            assert "No space left" in error["message"] or "full" in error["message"]
        assert customer.end(customer.submit())["state"] == "completed"
        assert not find_violations(customer)


def test_disk_that_is_full_while_a_command_runs_does_not_prevent_the_end_of_its_training(small_disk, tmp_path, swift):
    home = tmp_path / "home"
    home.mkdir()
    (home / "jobs").symlink_to(small_disk)
    with customer_on(KillableService(home), swift) as customer:
        one = customer.submit(WAIT_FOR_RELEASE, end_states=("completed", "error"))
        customer.wait(one, lambda _status: customer.has_model(one))
        with filled(small_disk):
            customer.release(one)
            customer.end(one)
        assert not find_violations(customer)


def test_request_waits_for_a_locked_database(own_customer):
    service = own_customer.service
    before = own_customer.submit(WAIT_FOR_RELEASE)
    own_customer.processing(before)
    locker = sqlite3.connect(service.home / "database.sqlite", isolation_level=None, timeout=60)
    locker.execute("BEGIN EXCLUSIVE")
    own_customer.release(before)
    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(own_customer.submit)
        time.sleep(2)
        assert not submitting.done()
        assert own_customer.training(before)["state"] == "running"  # readers do not wait for the lock
        locker.execute("ROLLBACK")
        after = submitting.result(timeout=60)
    locker.close()
    assert own_customer.end(before)["state"] == "completed"
    assert own_customer.end(after)["state"] == "completed"
    assert not find_violations(own_customer)


def test_the_small_disk_is_small(small_disk):
    with filled(small_disk), pytest.raises(OSError, match="No space left"):
        (small_disk / "more").write_bytes(bytes(8192))
