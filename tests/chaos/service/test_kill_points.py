"""
Killed with -9 at every change of state and in every verb that changes something: what was answered stays true.

The changes of state come from the table, the verbs from the wrapped classes: a new one of either fails here until
there is a story that gets there.
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
"""The store's verbs that change nothing: dying in one of them loses nothing that dying before does not."""


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

VERBS: dict[str, Callable[[Customer], list[Promise]]] = {
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
    "job_directories.prepare_job": a_completed,
}


def test_every_change_of_state_and_every_verb_has_its_story():
    assert set(CHANGES) == {(before, after) for before, afters in TRANSITIONS.items() for after in afters}
    assert {name for name in vars(Store) if not name.startswith("_")} == READING | set(STORE)
    assert {name for name in vars(Runner) if not name.startswith("_")} == {*RUNNER, "poll"}
    # These two are what changes the state of a training that was started.
    assert {f"store.{verb}" for verb in STORE} - {"store.record_progress", "store.finish"} <= set(VERBS)
    # `kill_leftovers` is called for a lost learner only; test_learner_killed kills around it.
    assert {f"runner.{verb}" for verb in RUNNER} - {"runner.kill_leftovers"} <= set(VERBS)


def live_through(customer: Customer, point: Point, story: Callable[[Customer], list[Promise]]) -> None:
    """Die at *point* in the middle of *story*, and let the next service bring it to its end."""
    service = customer.service
    service.fuse.disarm()
    faults = [point]
    if story is one_that_cannot_be_started:
        # The next service meets the same trouble, where the end of this one was not recorded.
        faults += [Point("runner.start", REFUSED)]
    before = service.deaths
    service.fuse.arm(*faults)
    promises = story(customer)
    for promise in promises:
        if story is one_that_cannot_be_started and point.when == WITHIN:
            promise.ends = ("error", "completed")
            promise.exit_code = 0
        customer.end(promise)
    if service.deaths == before or service.fuse.armed:  # the end may be seen before the death, having come just before
        service.bury()
        service.start()
    assert not service.fuse.armed
    for promise in promises:
        customer.repeat(promise)
    assert not violations(customer)


@pytest.mark.parametrize("when", [WITHIN, AFTER])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: transition(*change))
def test_a_kill_at_a_change_of_state_changes_no_end(customer, change, when):
    live_through(customer, Point(transition(*change), when), CHANGES[change])


def moments(verb: str) -> tuple[str, str]:
    """Name the two sides of what *verb* does: of a store's verb that is its commit."""
    return (WITHIN, AFTER) if verb.startswith("store.") else (BEFORE, AFTER)


@pytest.mark.parametrize("point", [Point(verb, when) for verb in VERBS for when in moments(verb)], ids=str)
def test_a_kill_in_a_verb_loses_nothing(customer, point):
    live_through(customer, point, VERBS[point.verb])


@pytest.mark.parametrize("call", [2, 3])
def test_a_kill_at_any_further_phase_loses_nothing(customer, call):
    live_through(customer, Point("store.record_progress", AFTER, call), one_with_time_in_every_phase)
