"""
Kills the service at every change of state and in every method that changes something: no confirmed result is lost.

The changes of state come from the transition table, the methods from the wrapped classes. A test fails for a new one of
either until a story covers it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_dlaas.contract.state import TRANSITIONS, TrainingState
from airflow_dlaas.service.runners.base import Runner
from airflow_dlaas.service.store.base import Store
from tests.chaos.service.audit import violations
from tests.chaos.service.customer import GATE, Customer, Promise
from tests.chaos.service.faults import AFTER, BEFORE, REFUSED, WITHIN, Point
from tests.chaos.service.learner import LINGER
from tests.chaos.service.victim import RUNNER, STORE, transition

pytestmark = pytest.mark.timeout(300)

READING = {
    "list_experiments",
    "get_experiment",
    "list_versions",
    "get_version",
    "list_used_digests",
    "find_by_key",
    "get_training",
    "list_trainings",
    "get_states",
    "list_changes",
    "current_revision",
    "list_queue",
    "count_trainings",
    "get_queue_position",
    "list_unfinished",
    "get_definition_with_secrets",
}
"""The methods of the store that change nothing: a kill in one of them is equal to a kill before it."""


# -- stories -----------------------------------------------------------------


def a_completed(customer: Customer) -> list[Promise]:
    return [customer.submit()]


def a_failed(customer: Customer) -> list[Promise]:
    return [customer.submit("exit 3", ends=("error",), exit_code=3)]


def a_canceled(customer: Customer) -> list[Promise]:
    one = customer.submit("sleep 600", ends=(), exit_code=None)
    customer.processing(one)
    customer.cancel(one)
    return [one]


def one_canceled_in_the_queue(customer: Customer) -> list[Promise]:
    ahead = customer.submit(GATE, size="large")
    beside = customer.submit(GATE, size="large")
    queued = customer.submit(ends=(), size="small")
    customer.cancel(queued)
    assert customer.end(queued)["state"] == "canceled"
    assert customer.begun(queued) == 0
    customer.open(ahead)
    customer.open(beside)
    return [ahead, beside, queued]


def one_that_cannot_be_started(customer: Customer) -> list[Promise]:
    return [customer.submit(ends=("error",), exit_code=None)]


def an_experiment(customer: Customer) -> list[Promise]:
    where = customer.where
    created = customer.create_experiment()
    reply = customer.service.ask("POST", f"/v3/ml_assets/experiments/{created['metadata']['guid']}")
    assert reply.status_code == 201, reply.text
    customer.put_content(reply.json())
    one = customer.submit()
    customer.delete_experiment(created)
    customer.where = where
    return [one]


def a_deleted(customer: Customer) -> list[Promise]:
    one = customer.submit()
    customer.end(one)
    customer.delete(one)
    return []


def an_acknowledged(customer: Customer) -> list[Promise]:
    one = customer.submit()
    customer.end(one)
    customer.acknowledge(one)
    return [one]


def a_restart(customer: Customer) -> list[Promise]:
    one = customer.submit()
    customer.service.kill()
    customer.service.start()
    return [one]


def one_with_time_in_every_phase(customer: Customer) -> list[Promise]:
    return [customer.submit(f"{LINGER} true")]


CHANGES: dict[tuple[TrainingState, TrainingState], Callable[[Customer], list[Promise]]] = {
    (TrainingState.PENDING, TrainingState.RUNNING): a_completed,
    (TrainingState.PENDING, TrainingState.ERROR): one_that_cannot_be_started,
    (TrainingState.PENDING, TrainingState.CANCELED): one_canceled_in_the_queue,
    (TrainingState.RUNNING, TrainingState.COMPLETED): a_completed,
    (TrainingState.RUNNING, TrainingState.ERROR): a_failed,
    (TrainingState.RUNNING, TrainingState.CANCELED): a_canceled,
}

METHODS: dict[str, Callable[[Customer], list[Promise]]] = {
    "store.create_experiment": an_experiment,
    "store.add_version": an_experiment,
    "store.set_content": an_experiment,
    "store.delete_experiment": an_experiment,
    "store.create_training": a_completed,
    "store.request_cancel": a_canceled,
    "store.acknowledge": an_acknowledged,
    "store.delete_training": a_deleted,
    "store.acquire_lease": a_restart,
    "store.reserve_gpus": a_completed,
    "store.set_handle": a_completed,
    "runner.start": a_completed,
    "runner.stop": a_canceled,
    "jobs.prepare_job": a_completed,
}


def test_every_change_of_state_and_every_method_has_a_story():
    assert set(CHANGES) == {(before, after) for before, afters in TRANSITIONS.items() for after in afters}
    assert {name for name in vars(Store) if not name.startswith("_")} == READING | set(STORE)
    assert {name for name in vars(Runner) if not name.startswith("_")} == {*RUNNER, "poll"}
    # These two methods change the state of a started training.
    assert {f"store.{method}" for method in STORE} - {"store.record_progress", "store.finish"} <= set(METHODS)
    # `kill_leftovers` is called for a lost learner only; test_learner_killed covers it.
    assert {f"runner.{method}" for method in RUNNER} - {"runner.kill_leftovers"} <= set(METHODS)


def run_story(customer: Customer, point: Point, story: Callable[[Customer], list[Promise]]) -> None:
    """Kill the service at *point* during *story*; the next service must complete it."""
    service = customer.service
    service.fuse.disarm()
    faults = [point]
    if story is one_that_cannot_be_started:
        # The next service must fail in the same way, if the outcome was not recorded.
        faults += [Point("runner.start", REFUSED)]
    before = service.deaths
    service.fuse.arm(*faults)
    promises = story(customer)
    for promise in promises:
        if story is one_that_cannot_be_started and point.when == WITHIN:
            promise.ends = ("error", "completed")
            promise.exit_code = 0
        customer.end(promise)
    if service.deaths == before or service.fuse.armed:  # the outcome may be seen before the kill
        service.bury()
        service.start()
    assert not service.fuse.armed
    for promise in promises:
        customer.repeat(promise)
    assert not violations(customer)


@pytest.mark.parametrize("when", [WITHIN, AFTER])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: transition(*change))
def test_kill_at_a_change_of_state_changes_no_outcome(customer, change, when):
    run_story(customer, Point(transition(*change), when), CHANGES[change])


def moments(method: str) -> tuple[str, str]:
    """Return the moments before and after the effect of *method*; for the store, the effect is its commit."""
    return (WITHIN, AFTER) if method.startswith("store.") else (BEFORE, AFTER)


@pytest.mark.parametrize("point", [Point(method, when) for method in METHODS for when in moments(method)], ids=str)
def test_kill_in_a_method_loses_nothing(customer, point):
    run_story(customer, point, METHODS[point.method])


@pytest.mark.parametrize("call", [2, 3])
def test_kill_at_a_later_phase_loses_nothing(customer, call):
    run_story(customer, Point("store.record_progress", AFTER, call), one_with_time_in_every_phase)
