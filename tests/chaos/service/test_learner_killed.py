"""
The learner, killed with SIGKILL at each step: its training ends as lost, and no process of it continues.

If the command had ended, the training ends with the error that its results could not be stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from airflow_dlaas.contract.stores import SwiftStoreConnection
from tests.chaos.service.audit import find_violations
from tests.chaos.service.customer import Customer, Submission
from tests.chaos.service.kill_points import AFTER, BEFORE, Point
from tests.chaos.service.killable_service import KillableService
from tests.chaos.service.learner import DURING, STEPS, kill_command

UNREACHED = {"enter-queued", "enter-preparing", "enter-recovering"}
"""The learner enters neither the first nor the last; it enters the second only if uv makes an environment."""

KILLS = [(step, when) for step in STEPS for when in (BEFORE, AFTER) if step not in UNREACHED]
KILLS += [("run_supervised", DURING)]

BEFORE_CLAIM = {("claim", BEFORE)}
"""The job is not claimed: another learner can run all of it."""

AFTER_END = {("write_exit", AFTER)}
"""The result is written."""

AFTER_COMMAND = {
    ("enter-storing", BEFORE),
    ("enter-storing", AFTER),
    ("upload_results", BEFORE),
    ("upload_results", AFTER),
    ("write_exit", BEFORE),
}
"""The command has ended, and its exit code is written."""


@dataclass
class KilledLearners:
    """The trainings of killed learners, by step and point."""

    customer: Customer
    submissions: dict[tuple[str, str], Submission]


@pytest.fixture(scope="module")
def killed_learners(tmp_path_factory: pytest.TempPathFactory, swift: SwiftStoreConnection) -> Iterator[KilledLearners]:
    """A training for each kill point of a learner, all at the same time; the service is killed twice meanwhile."""
    service = KillableService(tmp_path_factory.mktemp("learners") / "home", DLAAS_GPUS=f"virtual:{len(KILLS)}")
    with contextlib.closing(service):
        service.start()
        customer = Customer(service, swift)
        customer.put_content(customer.create_experiment())
        service.kill_plan.choose(Point("runner.kill_leftovers", BEFORE), Point("runner.kill_leftovers", AFTER, 2))
        submissions: dict[tuple[str, str], Submission] = {}
        for step, when in KILLS:
            lost = (step, when) not in BEFORE_CLAIM | AFTER_END
            work = "sleep 600" if when == DURING else "sleep 600 & sleep 0.3"
            submissions[step, when] = customer.submit(
                f"{kill_command(step, when)} {work}",
                end_states=("error",) if lost else ("completed",),
                exit_code=0 if not lost or (step, when) in AFTER_COMMAND else None,
            )
        for submission in submissions.values():
            customer.end(submission)
        assert not service.kill_plan.has_points
        assert not find_violations(customer)
        yield KilledLearners(customer, submissions)


def test_every_kill_point_of_a_learner_was_reached(killed_learners):
    for step, when in KILLS:
        training_id = killed_learners.submissions[step, when].id
        killed_mark = killed_learners.customer.service.home / "jobs" / f"{training_id}.killed"
        assert killed_mark.exists(), f"no learner was killed {when} {step}"


@pytest.mark.parametrize(("step", "when"), KILLS)
def test_killed_learner_is_reported_as_lost_unless_its_job_was_unclaimed_or_ended(killed_learners, step, when):
    customer, submission = killed_learners.customer, killed_learners.submissions[step, when]
    status = customer.training(submission)
    if (step, when) in BEFORE_CLAIM | AFTER_END:
        assert status["state"] == "completed", status
    elif (step, when) in AFTER_COMMAND:
        error = status["error"]["errors"][0]
        assert error["code"] == "S303", status
        assert "interrupted" in error["message"]
        assert "lost" in error["message"]
    else:
        assert status["error"]["errors"][0]["code"] == "S100", status
        assert "lost" in status["error"]["errors"][0]["message"]
    assert not customer.service.processes_of(submission.id)
