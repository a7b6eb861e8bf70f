"""Secrets in a whole service: none is left after a training, and its command cannot see any."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.secret_encryption import ENCRYPTED_PREFIX
from tests.running import NO_BUBBLEWRAP

KEEPERS = ("credentials.json", "connections.json", "swift")
"""Files with the keys of the embedded object store. No training can read them."""


def traces(secret: str, files: list[Path]) -> list[Path]:
    spellings = [secret.encode(), secret.encode().hex().encode()]
    spellings += [base64.b64encode(b" " * shift + secret.encode())[4:-4] for shift in range(3)]
    return [one for one in files if any(spelling in content(one) for spelling in spellings)]


def content(file: Path) -> bytes:
    """Return the content of *file*; empty if the learner has removed it meanwhile."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def kept(home: Path) -> list[Path]:
    """All files of the service without its own keys: database with its logs, job directories, archives."""
    return [one for one in home.rglob("*") if one.is_file() and one.relative_to(home).parts[0] not in KEEPERS]


def test_no_secret_of_a_training_is_left_after_its_end(own_customer):
    service, secret = own_customer.service, own_customer.store["password"]
    done = own_customer.submit("env; cat /proc/*/environ; exit 3")
    stopped = own_customer.running(own_customer.submit("sleep 1000")).id
    own_customer.client.send(calls.cancel_training(stopped))
    assert own_customer.end(done).state is TrainingState.ERROR
    assert own_customer.end(stopped).state is TrainingState.CANCELED
    files = kept(service.home)
    assert {"database.sqlite", "log", "exit.json"} <= {one.name for one in files}
    assert traces(secret, [service.home / "credentials.json"])  # the search works
    assert traces(secret, [*files, service.log]) == []
    sealed = [one.name for one in files if ENCRYPTED_PREFIX.encode() in content(one)]
    assert sealed == []  # the encrypted secrets are removed too
    assert secret not in own_customer.command_output(done)


def test_training_cannot_see_the_service(own_customer):
    service = own_customer.service
    one = own_customer.submit(
        f"cat {service.home}/credentials.json {service.home}/connections.json {service.home}/database.sqlite; "
        f"ls {service.home}/swift {service.home}/blobs; ls {service.home}/jobs; true"
    )
    ended = own_customer.end(one)
    assert ended.state is TrainingState.COMPLETED
    if ended.status.isolation == "none":
        pytest.skip(NO_BUBBLEWRAP)
    output = own_customer.command_output(one)
    assert output.count("No such file or directory") == 5
    assert output.splitlines()[-1] == one
    assert own_customer.store["password"] not in output
    assert ended.status.isolation == "bubblewrap"
