"""GPU slots are released when the command has ended, before its results are stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import Phase, TrainingState
from tests.conftest import ServiceProcess
from tests.fault_proxy import FaultProxy, SendReply, StallRequest
from tests.integration.service.conftest import Customer


@pytest.fixture
def customer(tmp_path: Path) -> Iterator[Customer]:
    """A user of a service with one GPU slot that allows all object stores."""
    service = ServiceProcess(tmp_path / "home", DLAAS_GPUS="virtual:1", DLAAS_OBJECT_STORES="any")
    service.start()
    try:
        with service.client() as client:
            yield Customer(service, client)
    finally:
        service.close()


def submit(customer: Customer, command: str, results: FaultProxy) -> str:
    definition = customer.definition(command)
    definition["training_results"]["connection"] = customer.store | {"auth_url": results.auth_url}
    return customer.client.send(calls.create_training(TrainingDefinition.parse(definition))).id


def test_slow_storing_of_results_does_not_block_the_next_training(customer):
    """The object store of the results blocks until the test releases it."""
    with FaultProxy(customer.store["auth_url"]) as slow:
        slow.on(StallRequest(0), method="PUT", path="/model/w", times=None)
        first = submit(customer, "mkdir $RESULT_DIR/model; echo w > $RESULT_DIR/model/w", slow)
        customer.wait(first, lambda training: training.status.phase is Phase.STORING)
        second = customer.submit("echo trained")
        ended = customer.end(second)
        assert ended.state is TrainingState.COMPLETED
        assert ended.status.gpus == ("virtual:0",)
        assert customer.training(first).status.phase is Phase.STORING
        slow.calm()
        assert customer.end(first).state is TrainingState.COMPLETED
        assert customer.result(first, "model/w") == b"w\n"


def test_refused_result_file_does_not_affect_other_files_exit_code_and_log(customer):
    with FaultProxy(customer.store["auth_url"]) as full:
        full.on(SendReply(413, body=b"Upload exceeds quota."), method="PUT", path="/model/large", times=None)
        command = (
            "mkdir $RESULT_DIR/model; cd $RESULT_DIR/model; for i in 1 2 3 4 5 large; do echo $i > $i; done; exit "
        )
        failed, completed = (submit(customer, command + code, full) for code in "30")
        status = customer.end(completed).status
        assert status.error is not None
        [error] = status.error.errors
        assert (error.code, "the results were not stored: model/large" in error.message) == ("S303", True)
        assert "quota" in error.message
        assert status.warnings is not None
        assert [one.split(": ")[:2] for one in status.warnings] == [["not stored", "model/large"]]
        assert {f"model/{i}" for i in range(1, 6)} | {"learner-1/training-log.txt"} <= customer.stored(completed)
        assert "model/large" not in customer.stored(completed)
        ended = customer.end(failed)
        assert (ended.status.message, ended.status.error.errors[0].code) == (f"{failed}: 3", "C201")
        assert "results were not stored" in ended.status.error.errors[0].message


def test_files_that_cannot_be_stored_are_warnings_in_the_status(customer):
    training = customer.submit("touch $RESULT_DIR/model; ln -s nowhere $RESULT_DIR/lost")
    ended = customer.end(training)
    assert (ended.state, ended.status.message) == (TrainingState.COMPLETED, f"{training}: ")
    assert ended.status.warnings == ("not stored: lost: a broken link (No such file or directory)",)
    assert customer.training(customer.submit("true")).status.warnings is None
