"""Commands that ignore SIGTERM or leave processes, and restarts of the machine."""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Callable

import psutil
import pytest

from tests.chaos.service.audit import find_violations
from tests.chaos.service.customer import END_TIMEOUT, GRACE, Customer, Submission
from tests.chaos.service.learner import kill_command
from tests.chaos.service.reboot import pretend_reboot

pytestmark = pytest.mark.timeout(300)

STUBBORN: dict[str, Callable[[str], str]] = {
    "ignores TERM": lambda sleep: f"trap '' TERM; {sleep} & while :; do wait; done",
    "a daemon": lambda sleep: f"(setsid sh -c '(cd /; {sleep} >/dev/null 2>&1 &)' &); {sleep}",
    "no environment": lambda sleep: f"env -i {sleep}",
    "a daemon without environment that still logs": lambda sleep: f"(setsid env -i {sleep} &); {sleep}",
}


def unique_sleep() -> str:
    """Return a command that no other test runs."""
    return f"sleep 8{uuid.uuid4().int % 10**8:08d}"


def processes_running(sleep: str) -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if _runs(one, sleep.split())]


def _runs(process: psutil.Process, line: list[str]) -> bool:
    try:
        return process.cmdline() == line and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def wait_for(holds: Callable[[], object], customer: Customer) -> None:
    until = time.monotonic() + END_TIMEOUT
    while not holds():
        assert time.monotonic() < until, customer.service.log.read_text()[-6000:]
        time.sleep(0.05)


def start_stubborn(customer: Customer, **options: object) -> dict[str, tuple[Submission, str]]:
    """Submit a training of each stubborn command; wait until all of them run."""
    found = {}
    for name, command in STUBBORN.items():
        sleep = unique_sleep()
        found[name] = customer.submit(command(sleep), exit_code=None, **options), sleep  # type: ignore[arg-type]
    for submission, sleep in found.values():
        customer.processing(submission)
        wait_for(lambda sleep=sleep: processes_running(sleep), customer)
    return found


def test_canceled_commands_end_after_the_grace_period_whatever_they_do(own_customer):
    started = start_stubborn(own_customer, end_states=())
    for submission, _ in started.values():
        own_customer.cancel(submission)
    for submission, sleep in started.values():
        assert own_customer.end(submission)["state"] == "canceled"
        assert not processes_running(sleep)
    submission, _ = started["ignores TERM"]
    log = (own_customer.logs(submission).parent / "log").read_text()
    assert f"The command was killed: it had not ended {GRACE:g} seconds after SIGTERM" in log
    assert not find_violations(own_customer)


def test_processes_of_a_killed_learner_are_found_and_ended(own_customer):
    started = start_stubborn(own_customer, end_states=("error",))
    for submission, _ in started.values():
        identity = json.loads((own_customer.service.home / "jobs" / str(submission.id) / "run.json").read_text())
        os.kill(identity["pid"], 9)
    for submission, sleep in started.values():
        status = own_customer.end(submission)
        assert status["error"]["errors"][0]["code"] == "S100"
        assert not processes_running(sleep)
    assert not find_violations(own_customer)


def test_restart_of_the_machine_is_reported_and_frees_the_slots(own_customer):
    service = own_customer.service
    running = own_customer.submit("sleep 600", end_states=("error",), exit_code=None, size="large")
    own_customer.processing(running)
    waiting = own_customer.submit(size="large")
    service.kill()
    for one in service.processes_of(str(running.id)):
        with contextlib.suppress(psutil.NoSuchProcess):  # a sandbox ends with all its processes
            one.kill()
    pretend_reboot(service.home, str(running.id))
    service.start()
    [error] = own_customer.end(running)["error"]["errors"]
    assert (error["code"], "restarted" in error["message"]) == ("S100", True)
    assert own_customer.end(waiting)["state"] == "completed"
    assert not find_violations(own_customer)


def test_training_without_a_claimed_job_is_started_again_after_a_restart_of_the_machine(own_customer):
    service = own_customer.service
    one = own_customer.submit(kill_command("claim", "before"))
    wait_for((service.home / "jobs" / f"{one.id}.killed").exists, own_customer)
    service.kill()
    pretend_reboot(service.home, str(one.id))
    service.start()
    assert own_customer.end(one)["state"] == "completed"
    assert not find_violations(own_customer)
