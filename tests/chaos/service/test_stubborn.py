<<<<<<< HEAD
"""Commands that ignore SIGTERM or leave processes, and machines that were rebooted."""
=======
"""Commands that ignore SIGTERM or leave processes, and restarts of the machine."""
>>>>>>> 5420c39 (Describe the chaos tests of the service in plain English, name their helpers by what they do, and log the random rounds)

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Callable

import psutil
import pytest

from tests.chaos.service.audit import find_violations
from tests.chaos.service.customer import END_TIMEOUT, Customer, Submission
from tests.chaos.service.learner import GRACE, kill_command

pytestmark = pytest.mark.timeout(300)

STUBBORN: dict[str, Callable[[str], str]] = {
    "ignores TERM": lambda sleep: f"trap '' TERM; {sleep} & while :; do wait; done",
    "a daemon": lambda sleep: f"(setsid sh -c '(cd /; {sleep} >/dev/null 2>&1 &)' &); {sleep}",
    "no environment": lambda sleep: f"env -i {sleep}",
    "a daemon without environment that still logs": lambda sleep: f"(setsid env -i {sleep} &); {sleep}",
}


<<<<<<< HEAD
def a_sleep() -> str:
    """Return a command that no other test has."""
    return f"sleep 8{uuid.uuid4().int % 10**8:08d}"


def sleeping_processes(sleep: str) -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if _is(one, sleep.split())]
=======
def unique_sleep() -> str:
    """Return a command that no other test runs."""
    return f"sleep 8{uuid.uuid4().int % 10**8:08d}"


def processes_running(sleep: str) -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if _runs(one, sleep.split())]
>>>>>>> 5420c39 (Describe the chaos tests of the service in plain English, name their helpers by what they do, and log the random rounds)


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


<<<<<<< HEAD
def begin(customer: Customer, **allowed: object) -> dict[str, tuple[Promise, str]]:
    """Start one training with each stubborn command, and wait until they run."""
    found = {}
    for name, command in STUBBORN.items():
        sleep = a_sleep()
        found[name] = customer.submit(command(sleep), exit_code=None, **allowed), sleep  # type: ignore[arg-type]
    for promise, sleep in found.values():
        customer.processing(promise)
        wait_for(lambda sleep=sleep: sleeping_processes(sleep), customer)
    return found


def test_canceled_commands_are_killed_after_the_grace_period(own_customer):
    begun = begin(own_customer, ends=())
    for promise, _ in begun.values():
        own_customer.cancel(promise)
    for promise, sleep in begun.values():
        assert own_customer.end(promise)["state"] == "canceled"
        assert not sleeping_processes(sleep)
    promise, _ = begun["ignores TERM"]
    log = (own_customer.logs(promise).parent / "log").read_text()
=======
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
>>>>>>> 5420c39 (Describe the chaos tests of the service in plain English, name their helpers by what they do, and log the random rounds)
    assert f"The command was killed: it had not ended {GRACE:g} seconds after SIGTERM" in log
    assert not find_violations(own_customer)


<<<<<<< HEAD
def test_leftovers_of_a_killed_learner_are_killed(own_customer):
    begun = begin(own_customer, ends=("error",))
    for promise, _ in begun.values():
        mark = json.loads((own_customer.service.home / "jobs" / str(promise.id) / "run.json").read_text())
        os.kill(mark["pid"], 9)
    for promise, sleep in begun.values():
        status = own_customer.end(promise)
        assert status["error"]["errors"][0]["code"] == "S100"
        assert not sleeping_processes(sleep)
    assert not violations(own_customer)


def test_reboot_is_named_and_frees_the_slots(own_customer):
=======
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
>>>>>>> 5420c39 (Describe the chaos tests of the service in plain English, name their helpers by what they do, and log the random rounds)
    service = own_customer.service
    running = own_customer.submit("sleep 600", end_states=("error",), exit_code=None, size="large")
    own_customer.processing(running)
    waiting = own_customer.submit(size="large")
    service.kill()
<<<<<<< HEAD
    for one in service.workers(str(running.id)):
=======
    for one in service.processes_of(str(running.id)):
>>>>>>> 5420c39 (Describe the chaos tests of the service in plain English, name their helpers by what they do, and log the random rounds)
        with contextlib.suppress(psutil.NoSuchProcess):  # a sandbox ends with all its processes
            one.kill()
    pretend_reboot(own_customer, running)
    service.start()
    [error] = own_customer.end(running)["error"]["errors"]
    assert (error["code"], "restarted" in error["message"]) == ("S100", True)
    assert own_customer.end(waiting)["state"] == "completed"
    assert not find_violations(own_customer)


<<<<<<< HEAD
def test_training_whose_learner_had_not_begun_before_a_reboot_is_started_again(own_customer):
=======
def test_training_without_a_claimed_job_is_started_again_after_a_restart_of_the_machine(own_customer):
>>>>>>> 5420c39 (Describe the chaos tests of the service in plain English, name their helpers by what they do, and log the random rounds)
    service = own_customer.service
    one = own_customer.submit(kill_command("claim", "before"))
    wait_for((service.home / "jobs" / f"{one.id}.killed").exists, own_customer)
    service.kill()
    pretend_reboot(own_customer, one)
    service.start()
    assert own_customer.end(one)["state"] == "completed"
    assert not find_violations(own_customer)


<<<<<<< HEAD
def another_boot(customer: Customer, promise: Promise) -> None:
    """
    Change run.json and handle to an earlier boot. The pid of the learner now belongs to another process, this one.
    """
    mark = {"pid": os.getpid(), "start_ticks": 4711, "boot_id": "11111111-2222-3333-4444-555555555555"}
    run = customer.service.home / "jobs" / str(promise.id) / "run.json"
=======
def pretend_reboot(customer: Customer, submission: Submission) -> None:
    """Change the process identity of a training's learner to an earlier boot, with the pid of this process."""
    identity = {"pid": os.getpid(), "start_ticks": 4711, "boot_id": "11111111-2222-3333-4444-555555555555"}
    run = customer.service.home / "jobs" / str(submission.id) / "run.json"
>>>>>>> 5420c39 (Describe the chaos tests of the service in plain English, name their helpers by what they do, and log the random rounds)
    if run.exists():
        run.write_text(json.dumps(identity))
    database = sqlite3.connect(customer.service.home / "database.sqlite")
    with database:
        database.execute(
            "UPDATE trainings SET handle = ? WHERE id = ?", (f"local:{json.dumps(identity)}", submission.id)
        )
    database.close()
