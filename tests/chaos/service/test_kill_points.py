"""
The service, killed with SIGKILL at each change of state and in each method that changes something: all responses stay
true.

The changes of state come from the table `TRANSITIONS`, the methods from the wrapped classes: a new one of either fails
here until a scenario reaches it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_dlaas.contract.state import TRANSITIONS, TrainingState
from airflow_dlaas.service.runners.base import Runner
from airflow_dlaas.service.store.base import Store
from tests.chaos.service.audit import find_violations
from tests.chaos.service.customer import WAIT_FOR_RELEASE, Customer, Submission
from tests.chaos.service.forked_service import RUNNER_WRITES, STORE_WRITES, transition
from tests.chaos.service.kill_points import AFTER, BEFORE, REFUSED, WITHIN, Point
from tests.chaos.service.learner import DURING, HOLD_PHASES, kill_command

pytestmark = pytest.mark.timeout(300)

READ_METHODS = {
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
    "list_usage",
    "maintenance",
    "mark_changed",
}
"""The methods of the store that change nothing: a kill in one of them has the same effect as a kill before. No scenario
drains a service or cordons a GPU, and none has a watchdog (`mark_changed` lets waiting clients read again): each of
these is one statement, on which no other write depends."""


# -- scenarios ---------------------------------------------------------------


def complete_a_training(customer: Customer) -> list[Submission]:
    return [customer.submit()]


def fail_a_training(customer: Customer) -> list[Submission]:
    return [customer.submit("exit 3", end_states=("error",), exit_code=3)]


def cancel_a_training(customer: Customer) -> list[Submission]:
    one = customer.submit("sleep 600", end_states=(), exit_code=None)
    customer.processing(one)
    customer.cancel(one)
    return [one]


def cancel_in_the_queue(customer: Customer) -> list[Submission]:
    ahead = customer.submit(WAIT_FOR_RELEASE, size="large")
    beside = customer.submit(WAIT_FOR_RELEASE, size="large")
    queued = customer.submit(end_states=(), size="small")
    customer.cancel(queued)
    assert customer.end(queued)["state"] == "canceled"
    assert customer.command_starts(queued) == 0
    customer.release(ahead)
    customer.release(beside)
    return [ahead, beside, queued]


def fail_to_start(customer: Customer) -> list[Submission]:
    return [customer.submit(end_states=("error",), exit_code=None)]


def use_an_experiment(customer: Customer) -> list[Submission]:
    location_before = customer.code_location
    created = customer.create_experiment()
    reply = customer.service.request("POST", f"/v3/ml_assets/experiments/{created['metadata']['guid']}")
    assert reply.status_code == 201, reply.text
    customer.put_content(reply.json())
    one = customer.submit()
    customer.delete_experiment(created)
    customer.code_location = location_before
    return [one]


def delete_a_training(customer: Customer) -> list[Submission]:
    one = customer.submit()
    customer.end(one)
    customer.delete(one)
    return []


def acknowledge_a_training(customer: Customer) -> list[Submission]:
    one = customer.submit()
    customer.end(one)
    customer.acknowledge(one)
    return [one]


def annotate_a_training(customer: Customer) -> list[Submission]:
    one = customer.submit()
    customer.annotate(one, "baseline")
    return [one]


def recover_a_training(customer: Customer) -> list[Submission]:
    """The command of the first attempt ends with an exit code to recover from; the second finds the logs of it."""
    return [customer.submit("[ -e $LOG_DIR/attempt-1 ] || exit 75", recovery={"attempts": 2, "exit_codes": [75]})]


def recover_a_lost_training(customer: Customer) -> list[Submission]:
    work = "[ -e $LOG_DIR/attempt-1 ] || sleep 600"
    return [customer.submit(f"{kill_command('run_supervised', DURING)} {work}", recovery={"attempts": 2})]


def restart_the_service(customer: Customer) -> list[Submission]:
    one = customer.submit()
    customer.service.kill()
    customer.service.start()
    return [one]


def hold_each_phase(customer: Customer) -> list[Submission]:
    return [customer.submit(f"{HOLD_PHASES} true")]


SCENARIOS_BY_CHANGE: dict[tuple[TrainingState, TrainingState], Callable[[Customer], list[Submission]]] = {
    (TrainingState.PENDING, TrainingState.RUNNING): complete_a_training,
    (TrainingState.PENDING, TrainingState.ERROR): fail_to_start,
    (TrainingState.PENDING, TrainingState.CANCELED): cancel_in_the_queue,
    (TrainingState.RUNNING, TrainingState.COMPLETED): complete_a_training,
    (TrainingState.RUNNING, TrainingState.ERROR): fail_a_training,
    (TrainingState.RUNNING, TrainingState.CANCELED): cancel_a_training,
}

SCENARIOS_BY_CALL: dict[str, Callable[[Customer], list[Submission]]] = {
    "store.create_experiment": use_an_experiment,
    "store.add_version": use_an_experiment,
    "store.set_content": use_an_experiment,
    "store.delete_experiment": use_an_experiment,
    "store.create_training": complete_a_training,
    "store.request_cancel": cancel_a_training,
    "store.acknowledge": acknowledge_a_training,
    "store.set_annotations": annotate_a_training,
    "store.delete_training": delete_a_training,
    "store.acquire_lease": restart_the_service,
    "store.reserve_gpus": complete_a_training,
    "store.set_handle": complete_a_training,
    "store.begin_next_attempt": recover_a_training,
    "runner.start": complete_a_training,
    "runner.stop": cancel_a_training,
    "job_directories.prepare_job": complete_a_training,
}


def test_every_change_of_state_and_every_write_has_a_scenario():
    assert set(SCENARIOS_BY_CHANGE) == {(before, after) for before, afters in TRANSITIONS.items() for after in afters}
    assert {name for name in vars(Store) if not name.startswith("_")} == READ_METHODS | set(STORE_WRITES)
    assert {name for name in vars(Runner) if not name.startswith("_")} == {*RUNNER_WRITES, "poll"}
    # These two change the state of a training that was started.
    assert {f"store.{method}" for method in STORE_WRITES} - {"store.record_progress", "store.finish"} <= set(
        SCENARIOS_BY_CALL
    )
    # `kill_leftovers` is called for a lost learner only; `RECOVERY_POINTS` and test_learner_killed kill around it.
    assert {f"runner.{method}" for method in RUNNER_WRITES} - {"runner.kill_leftovers"} <= set(SCENARIOS_BY_CALL)


def run_scenario(customer: Customer, point: Point, scenario: Callable[[Customer], list[Submission]]) -> None:
    """Kill the service at *point* during *scenario*; the next service brings its trainings to their end."""
    service = customer.service
    service.kill_plan.clear()
    points = [point]
    if scenario is fail_to_start:
        # If the end of the training was not recorded, the next service has the same failure.
        points += [Point("runner.start", REFUSED)]
    before = service.kills
    service.kill_plan.choose(*points)
    submissions = scenario(customer)
    for submission in submissions:
        if scenario is fail_to_start and point.when == WITHIN:
            submission.end_states = ("error", "completed")
            submission.exit_code = 0
        customer.end(submission)
    if service.kills == before or service.kill_plan.has_points:  # the end may be visible before the kill
        service.wait_killed()
        service.start()
    assert not service.kill_plan.has_points
    for submission in submissions:
        customer.repeat(submission)
    assert not find_violations(customer)


@pytest.mark.parametrize("when", [WITHIN, AFTER])
@pytest.mark.parametrize("change", SCENARIOS_BY_CHANGE, ids=lambda change: transition(*change))
def test_kill_at_a_change_of_state_changes_no_outcome(customer, change, when):
    run_scenario(customer, Point(transition(*change), when), SCENARIOS_BY_CHANGE[change])


def points_around(call_name: str) -> tuple[str, str]:
    """Return the points before and after the effect of a call; the effect of a call of the store is its commit."""
    return (WITHIN, AFTER) if call_name.startswith("store.") else (BEFORE, AFTER)


@pytest.mark.parametrize(
    "point", [Point(call_name, when) for call_name in SCENARIOS_BY_CALL for when in points_around(call_name)], ids=str
)
def test_kill_in_a_write_loses_nothing(customer, point):
    run_scenario(customer, point, SCENARIOS_BY_CALL[point.call_name])


@pytest.mark.parametrize("call", [2, 3])
def test_kill_at_a_later_phase_loses_nothing(customer, call):
    run_scenario(customer, Point("store.record_progress", AFTER, call), hold_each_phase)


RECOVERY_POINTS = [
    *(Point(name, when, 2) for name in ("store.reserve_gpus", "store.set_handle") for when in (WITHIN, AFTER)),
    *(Point(name, when, 2) for name in ("job_directories.prepare_job", "runner.start") for when in (BEFORE, AFTER)),
    Point("store.finish", WITHIN),
]
"""The steps of a second attempt. The first one takes call 1 of each."""


@pytest.mark.parametrize("point", RECOVERY_POINTS, ids=str)
def test_kill_at_a_step_of_the_next_attempt_starts_it_once(customer, point):
    run_scenario(customer, point, recover_a_training)


@pytest.mark.parametrize(
    "point",
    [
        *(Point("runner.kill_leftovers", when) for when in (BEFORE, AFTER)),
        *(Point("store.begin_next_attempt", when) for when in (WITHIN, AFTER)),
    ],
    ids=str,
)
def test_kill_at_a_step_of_the_recovery_of_a_lost_learner_loses_nothing(customer, point):
    run_scenario(customer, point, recover_a_lost_training)
