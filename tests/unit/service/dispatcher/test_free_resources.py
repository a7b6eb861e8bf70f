"""CPUs and memory as a part of what the dispatcher gives to trainings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.service.dispatcher.actions import Finish, Start
from airflow_dlaas.service.dispatcher.free_resources import UNLIMITED, Capacity, given_amounts
from airflow_dlaas.service.store.records import TrainingRecord
from tests.unit.service.dispatcher.test_decide import NOW, a_training, decide_actions

GIB = 2**30
SMALL_MACHINE = Capacity(cpus=2.0, memory=4 * GIB)


def requests(id: str, slots: int = 0, **resources: Any) -> TrainingRecord:
    return a_training(id, slots, definition={"model_definition": {"execution": {"resources": resources}}})


@pytest.mark.parametrize(
    ("training", "given"),
    [
        (requests("a", cpus=1.5, memory="1GiB"), ResourceAmounts(gpus=0, cpus=1.5, memory=GIB)),
        (requests("a"), ResourceAmounts(gpus=0, cpus=1.0)),
        (requests("a", 2, gpus=2), ResourceAmounts(gpus=2)),
        (a_training("a", 3, definition={"model_definition": {"execution": {}}}), ResourceAmounts(gpus=3)),
        (a_training("a", 1, definition={"model_definition": []}), ResourceAmounts(gpus=1)),
        (requests("a", 1, gpus=1, memory="much"), ResourceAmounts(gpus=1)),
    ],
)
def test_training_without_gpus_and_cpus_gets_one_cpu(training, given):
    assert given_amounts(training, UNLIMITED) == given


def test_default_is_not_more_than_the_service_has():
    assert given_amounts(requests("a"), Capacity(cpus=0.5)).cpus == 0.5


def test_trainings_start_while_cpus_and_memory_last():
    queue = [requests("a", cpus=1), requests("b", cpus=1), requests("c", cpus=0.1)]
    assert decide_actions(*queue, capacity=SMALL_MACHINE) == [Start("a", ()), Start("b", ())]
    queue = [requests("a", cpus=0.1, memory="3GiB"), requests("b", cpus=0.1, memory="1GiB"), requests("c", cpus=0.1)]
    assert [one.training_id for one in decide_actions(*queue, capacity=SMALL_MACHINE)] == ["a", "b", "c"]


def test_fractions_of_cpus_can_be_used_up():
    queue = [requests(str(number), cpus=0.1) for number in range(10)]
    assert len(decide_actions(*queue, capacity=Capacity(cpus=1.0))) == 10


def test_training_is_not_overtaken_by_one_that_needs_other_resources():
    queue = [requests("a", cpus=2), requests("b", cpus=1), requests("c", 1, gpus=1)]
    assert decide_actions(*queue, capacity=SMALL_MACHINE) == [Start("a", ())]


@pytest.mark.parametrize(
    ("phase", "starts"), [(Phase.PROCESSING, []), (Phase.STORING, [Start("b", ())])], ids=["command", "storing"]
)
def test_resources_are_held_until_the_results_are_stored(phase, starts):
    started = replace(
        requests("a", cpus=2, memory="4GiB"), phase=phase, state=TrainingState.RUNNING, started_at=NOW, handle="a"
    )
    assert decide_actions(started, requests("b", cpus=1, memory="1GiB"), capacity=SMALL_MACHINE) == starts


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        ({"cpus": 3}, "The training needs 3 CPUs, and the service has 2 since its last restart"),
        (
            {"memory": "5GiB"},
            "The training needs 5.0 GiB of memory, and the service has 4.0 GiB since its last restart",
        ),
    ],
)
def test_training_that_the_service_can_no_longer_run_ends_and_the_queue_goes_on(resources, reason):
    finish, start = decide_actions(requests("a", **resources), requests("b"), capacity=SMALL_MACHINE)
    assert isinstance(finish, Finish)
    assert finish.outcome.error is not None
    assert (finish.outcome.error.code, finish.outcome.error.message) == ("S100", reason)
    assert finish.outcome.finished_at == NOW
    assert start == Start("b", ())


def test_training_without_gpus_takes_no_slot():
    assert decide_actions(requests("a"), requests("b", 1, gpus=1), slots=("0",)) == [Start("a", ()), Start("b", ("0",))]
