"""
The learner, killed with -9 at every step: its training ends, as lost, and nothing that it started works on.

If the command had ended, the training ends as one whose results could not be stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from airflow_dlaas.contract.stores import StoreConnection
from tests.chaos.service.audit import violations
from tests.chaos.service.customer import Customer, Promise
from tests.chaos.service.faults import AFTER, BEFORE, Point
from tests.chaos.service.learner import AMID, STEPS, order
from tests.chaos.service.mortal import MortalService

UNSEEN = {"enter-queued", "enter-preparing"}
"""The learner does not enter the first; the second is entered only where an environment is made, by uv."""

DYING = [(step, when) for step in STEPS for when in (BEFORE, AFTER) if step not in UNSEEN]
DYING += [("run_supervised", AMID)]

UNTOUCHED = {("claim", BEFORE)}
"""Nothing was begun: another learner can do all of it."""

DONE = {("write_exit", AFTER)}
"""The last word was said."""


STORING = {
    ("enter-storing", BEFORE),
    ("enter-storing", AFTER),
    ("upload_results", BEFORE),
    ("upload_results", AFTER),
    ("write_exit", BEFORE),
}
"""The command has ended, and its exit code is on the disk."""


@dataclass
class Crowd:
    customer: Customer
    promises: dict[tuple[str, str], Promise]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, swift: StoreConnection) -> Iterator[Crowd]:
    """A training for each moment its learner can die at, all at once; and the service dies twice meanwhile."""
    service = MortalService(tmp_path_factory.mktemp("learners") / "home", DLAAS_GPUS=f"virtual:{len(DYING)}")
    with contextlib.closing(service):
        service.start()
        customer = Customer(service, swift)
        customer.put_content(customer.create_experiment())
        service.fuse.arm(Point("runner.kill_leftovers", BEFORE), Point("runner.kill_leftovers", AFTER, 2))
        promises: dict[tuple[str, str], Promise] = {}
        for step, when in DYING:
            lost = (step, when) not in UNTOUCHED | DONE
            work = "sleep 600" if when == AMID else "sleep 600 & sleep 0.3"
            promises[step, when] = customer.submit(
                f"{order(step, when)} {work}",
                ends=("error",) if lost else ("completed",),
                exit_code=0 if not lost or (step, when) in STORING else None,
            )
        for promise in promises.values():
            customer.end(promise)
        assert not service.fuse.armed
        assert not violations(customer)
        yield Crowd(customer, promises)


def test_every_phase_of_a_learner_was_died_in(crowd):
    for step, when in DYING:
        burnt = crowd.customer.service.home / "jobs" / f"{crowd.promises[step, when].id}.burnt"
        assert burnt.exists(), f"no learner died {when} {step}"


@pytest.mark.parametrize(("step", "when"), DYING)
def test_a_killed_learner_is_reported_as_lost_unless_another_could_do_its_work(crowd, step, when):
    customer, promise = crowd.customer, crowd.promises[step, when]
    status = customer.training(promise)
    if (step, when) in UNTOUCHED | DONE:
        assert status["state"] == "completed", status
    elif (step, when) in STORING:
        error = status["error"]["errors"][0]
        assert error["code"] == "S303", status
        assert "interrupted" in error["message"]
        assert "lost" in error["message"]
    else:
        assert status["error"]["errors"][0]["code"] == "S100", status
        assert "lost" in status["error"]["errors"][0]["message"]
    assert not customer.service.workers(promise.id)
