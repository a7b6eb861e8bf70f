"""A whole service: no secret is left anywhere once a training is over, and none was in its command's sight."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.secret_encryption import ENCRYPTED_PREFIX
from tests.running import NO_BUBBLEWRAP

KEEPERS = ("credentials.json", "connections.json", "swift")
"""Where the service keeps the keys of its own object store, on purpose; no training sees them."""


def traces(secret: str, files: list[Path]) -> list[Path]:
    spellings = [secret.encode(), secret.encode().hex().encode()]
    spellings += [base64.b64encode(b" " * shift + secret.encode())[4:-4] for shift in range(3)]
    return [one for one in files if any(spelling in content(one) for spelling in spellings)]


def content(file: Path) -> bytes:
    """What is in *file*; nothing where a learner has removed it meanwhile, which tidies up after its last word."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def kept(home: Path) -> list[Path]:
    """Every file of the service's but its own keys: database and its logs, job folders, zips."""
    return [one for one in home.rglob("*") if one.is_file() and one.relative_to(home).parts[0] not in KEEPERS]


def test_after_its_end_nothing_of_a_training_s_secrets_is_left(own_customer):
    service, secret = own_customer.service, own_customer.store["password"]
    done = own_customer.submit("env; cat /proc/*/environ; exit 3")
    stopped = own_customer.running(own_customer.submit("sleep 1000")).id
    own_customer.client.send(calls.cancel_training(stopped))
    assert own_customer.end(done).state is TrainingState.ERROR
    assert own_customer.end(stopped).state is TrainingState.CANCELED
    files = kept(service.home)
    assert {"database.sqlite", "log", "exit.json"} <= {one.name for one in files}
    assert traces(secret, [service.home / "credentials.json"])  # it would be found
    assert traces(secret, [*files, service.log]) == []
    sealed = [one.name for one in files if ENCRYPTED_PREFIX.encode() in content(one)]
    assert sealed == []  # and what was sealed is gone, too
    assert secret not in own_customer.said(done)


def test_a_training_sees_nothing_of_the_service_it_runs_on(own_customer):
    service = own_customer.service
    one = own_customer.submit(
        f"cat {service.home}/credentials.json {service.home}/connections.json {service.home}/database.sqlite; "
        f"ls {service.home}/swift {service.home}/blobs; ls {service.home}/jobs; true"
    )
    ended = own_customer.end(one)
    assert ended.state is TrainingState.COMPLETED
    if ended.status.isolation == "none":
        pytest.skip(NO_BUBBLEWRAP)
    said = own_customer.said(one)
    assert said.count("No such file or directory") == 5
    assert said.splitlines()[-1] == one
    assert own_customer.store["password"] not in said
    assert ended.status.isolation == "bubblewrap"
