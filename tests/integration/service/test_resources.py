"""Limits of CPUs, memory and time on a real service, with the control groups of this machine if there are any."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import HostError, InvalidRequest
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ProcessIdentity
from airflow_dlaas.service.process.cgroups import Cgroup, find_group, group_name
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import GATE, Customer
from tests.waiting import until

MIB = 2**20


@pytest.fixture(scope="module")
def customer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Customer]:
    """A user of a service with one GPU slot, two CPUs and 1 GiB of memory for trainings."""
    service = ServiceProcess(
        tmp_path_factory.mktemp("resources") / "home", DLAAS_GPUS="virtual:1", DLAAS_CPUS="2", DLAAS_MEMORY="1GiB"
    )
    service.start()
    try:
        with service.client() as client:
            yield Customer(service, client)
    finally:
        service.close()


def submit(customer: Customer, command: str, resources: dict[str, Any], **execution: Any) -> str:
    definition = customer.definition(command)
    definition["model_definition"]["execution"] = {"command": command, "resources": resources, **execution}
    return customer.client.send(calls.create_training(TrainingDefinition.parse(definition))).id


def group_of(training_id: str) -> Cgroup | None:
    """Return the control group that a training has here; None if this machine allows none with a memory limit."""
    try:
        group = find_group("auto", group_name(training_id))
    except HostError:
        return None
    return group if "memory" in group.by_controller else None


def error(training: Training) -> tuple[str, str]:
    assert training.status.error is not None
    [only] = training.status.error.errors
    return only.code, only.message


@pytest.mark.skipif(group_of("x") is None, reason="no control group with a memory limit can be made on this machine")
def test_memory_limit(customer):
    """The command fails with C204 and the peak if a child needs more; it completes, with a warning, if it goes on."""
    hungry = """python3 -c 'b"x" * (300 * 1024**2)'"""
    failing = customer.end(submit(customer, f"{hungry}; exit 5", {"memory": "64MiB", "shared_memory": "8MiB"}))
    code, message = error(failing)
    assert code == "C204"
    assert "limit of 64.0 MiB (peak: 64.0 MiB)" in message
    assert "5" in failing.status.message
    surviving = customer.end(submit(customer, f"{hungry} || echo survived", {"memory": "64MiB"}))
    assert surviving.state is TrainingState.COMPLETED
    assert "the kernel killed a process" in surviving.status.warnings[0]
    assert customer.command_output(surviving.id).endswith("survived\n")
    report = failing.status.resources
    assert (report.requested.memory, report.requested.shared_memory) == (64 * MIB, 8 * MIB)
    assert (report.given.gpus, report.given.cpus) == (0, 1.0)
    assert report.used.memory == 64 * MIB
    assert {"memory", "cpus"} <= {*report.enforced}
    assert report.enforced_by.startswith("cgroup v")
    for training in (failing, surviving):
        assert not any(one.exists() for one in group_of(training.id).directories)


@pytest.mark.skipif(group_of("x") is None, reason="no control group with a memory limit can be made on this machine")
def test_every_process_of_a_lost_learner_is_ended_with_its_group(customer):
    """A daemon without the environment and the session of the command is found by the group."""
    daemon = "env -i setsid sh -c 'exec >/dev/null 2>&1; sleep 10000'"
    training = customer.running(submit(customer, f"{daemon} & touch $RESULT_DIR/x; {GATE}", {}))
    group = group_of(training.id)
    job = JobDirectory(customer.service.home / "jobs" / training.id)
    until((job.subdirectory("results") / "x").exists)
    learner = read_job_file(job.run, ProcessIdentity)
    os.kill(learner.pid, signal.SIGKILL)
    assert error(customer.end(training.id))[0] == "S100"
    assert not any(one.exists() for one in group.directories)


def test_cpus_and_memory_are_counted_in_the_order_of_submission(customer):
    """Trainings without GPUs take no slot; they wait for CPUs and memory."""
    first = submit(customer, GATE, {"cpus": 1.5, "memory": "256MiB"})
    customer.running(first)
    second = submit(customer, "true", {})
    third = submit(customer, "true", {"gpus": 1})
    assert customer.training(second).status.phase is Phase.QUEUED
    assert customer.training(third).status.queue_position == 1
    assert customer.training(first).status.gpus is None
    customer.open_gate(customer.training(first))
    for one in (first, second, third):
        assert customer.end(one).state is TrainingState.COMPLETED


@pytest.mark.parametrize(("resources", "field"), [({"cpus": 2.5}, "cpus"), ({"memory": "2GiB"}, "memory")])
def test_more_than_the_service_has_is_refused(customer, resources, field):
    with pytest.raises(InvalidRequest, match=f"execution.resources.{field}: .* DLAAS_{field.upper()}") as caught:
        submit(customer, "true", resources)
    assert caught.value.code == "C104"


def test_time_limit_and_variables_for_several_processes(customer):
    """The limit of the definition stops the command; its environment has what launchers of several processes need."""
    command = 'echo "$MASTER_ADDR:$MASTER_PORT $LOCAL_WORLD_SIZE $GPU_COUNT"; df -B1 --output=size /dev/shm; sleep 1000'
    training = submit(customer, command, {"shared_memory": "8MiB"}, time_limit=1)
    ended = customer.end(training)
    assert error(ended) == (
        "C201",
        "dl_job_failed: the command was stopped after 1 seconds, its own time limit (execution.time_limit)",
    )
    first, *_, shared = customer.command_output(training).split("\n")[:3]
    assert first.startswith("127.0.0.1:2")
    assert first.endswith(" 1 0")
    if "shared_memory" in ended.status.resources.enforced:
        assert int(shared) == 8 * MIB
