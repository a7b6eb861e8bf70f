"""A real service is drained, backed up while it runs, restored, and gets new keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.state import TrainingState
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import GATE, Customer


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A service with two GPU slots."""
    service = ServiceProcess(tmp_path / "home", DLAAS_GPUS="virtual:2")
    service.start()
    yield service
    service.close()


@pytest.fixture
def customer(service: ServiceProcess) -> Iterator[Customer]:
    with service.client() as client:
        yield Customer(service, client)


def console(service: ServiceProcess, *arguments: str) -> str:
    done = service.console(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_drained_service_starts_nothing_over_a_restart_until_the_drain_ends(service, customer):
    running = customer.running(customer.submit(GATE))
    assert "1 trainings still run, 0 wait" in console(service, "drain", "on", "--reason", "new driver")
    queued = customer.submit("true")
    service.stop()
    service.start()
    assert "The service is drained since" in service.log.read_text()
    customer.open_gate(running)
    assert customer.end(running.id).state is TrainingState.COMPLETED
    status = json.loads(console(service, "drain", "status", "--json"))
    assert (status["running"], status["queued"], status["drain"]["reason"]) == (0, 1, "new driver")
    assert customer.training(queued).status.phase == "queued"
    console(service, "drain", "off")
    assert customer.end(queued).state is TrainingState.COMPLETED


def test_cordoned_gpu_is_not_used_and_a_large_training_waits_for_it(service, customer):
    console(service, "gpus", "cordon", "virtual:0", "--reason", "ECC errors")
    assert customer.end(customer.submit("true")).status.gpus == ("virtual:1",)
    large = customer.submit("true", "medium")
    behind = customer.submit("true")
    assert [customer.training(one).status.phase for one in (large, behind)] == ["queued", "queued"]
    assert "ECC errors" in console(service, "gpus")
    refused = service.console("gpus", "cordon", "virtual:7")
    assert refused.returncode != 0
    assert "There is no GPU virtual:7; the service has virtual:0, virtual:1" in refused.stderr
    console(service, "gpus", "uncordon", "virtual:0")
    assert customer.end(large).status.gpus == ("virtual:0", "virtual:1")
    assert customer.end(behind).state is TrainingState.COMPLETED


def test_restored_service_ends_what_ran_and_starts_what_waited(service, customer, tmp_path):
    ended = customer.submit("echo trained")
    customer.end(ended)
    running = customer.running(customer.submit(GATE, "medium"))
    queued = customer.submit("cat $DATA_DIR/numbers.txt")
    archive = tmp_path / "backup.tar"
    assert "keep it secret" in console(service, "backup", str(archive))
    customer.client.send(calls.cancel_training(running.id))
    customer.client.send(calls.cancel_training(queued))
    assert customer.end(running.id).state is TrainingState.CANCELED
    service.stop()
    # The objects stay where they are: the directory of the embedded store is moved into the restored home.
    before = service.home.rename(service.home.with_name("before"))
    assert "1 trainings that ran" in console(service, "restore", str(archive))
    (before / "swift").rename(service.home / "swift")
    service.start()
    lost = customer.training(running.id)
    assert lost.state is TrainingState.ERROR
    assert "when the backup was made" in lost.status.error.errors[0].message
    assert customer.end(queued).state is TrainingState.COMPLETED
    assert customer.command_output(queued) == "1 2 3\n"
    assert "trained" in service.console("logs", ended).stdout


def test_new_keys_let_queued_and_running_trainings_continue(service, customer):
    running = customer.running(customer.submit(f"{GATE}; echo done > $RESULT_DIR/mark", "medium"))
    queued = customer.submit("cat $DATA_DIR/numbers.txt")
    refused = service.console("keys", "rotate")
    assert refused.returncode != 0
    assert "stop it" in refused.stderr
    before = (service.home / "credentials.json").read_text()
    service.stop()
    console(service, "keys", "rotate", "token")
    assert "drain" in service.console("keys", "rotate", "swift").stderr
    service.start()
    customer.open_gate(running)
    assert customer.end(running.id).state is TrainingState.COMPLETED
    assert customer.end(queued).state is TrainingState.COMPLETED
    console(service, "drain", "on")
    waiting = customer.submit("cat $DATA_DIR/numbers.txt")
    service.stop()
    assert "Import the connections again" in console(service, "keys", "rotate", "swift", "password")
    service.start()
    console(service, "drain", "off")
    with service.client() as client:
        customer.client = client
        customer.store["password"] = service.connections()["swift_default"]["password"]
        assert customer.end(waiting).state is TrainingState.COMPLETED
        assert customer.command_output(waiting) == "1 2 3\n"
    after = (service.home / "credentials.json").read_text()
    for key in ("token_key", "swift_key", "password"):
        assert json.loads(before)[key] not in after
