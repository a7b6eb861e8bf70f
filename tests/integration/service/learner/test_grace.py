"""A command that is stopped: what gets SIGTERM, how much time it has, and what the log states about its end."""

from __future__ import annotations

import re
import signal

import pytest

from airflow_dlaas.contract.state import TrainingState
from tests.integration.service.learner.conftest import GATE

SAVER = f"bash -c 'trap \"echo interrupted\" TERM; echo saving; {GATE}; echo saved > $RESULT_DIR/model'"
"""A program that saves the model, as slowly as the test wants."""

FOREVER = "while :; do sleep 0.05; done"


@pytest.fixture(params=["bubblewrap", "none"], autouse=True)
def way(request: pytest.FixtureRequest, job) -> str:
    """Each promise is kept in a sandbox as without one."""
    if request.param == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    job.isolation = request.param
    return job.isolation


def test_program_that_saves_gets_no_sigterm_and_further_requests_shorten_nothing(job):
    handle = job.start(f"save() {{ {SAVER}; exit 7; }}; trap save TERM; echo ready; {FOREVER}", grace=300)
    job.wait(lambda: job.log_contains("ready"), "the command")
    job.runner.stop([handle], {handle: job.folder})
    job.wait(lambda: job.log_contains("saving"), "the start of saving")
    for _ in range(3):
        job.runner.stop([handle], {handle: job.folder})
    job.open_gate()
    ended = job.end()
    assert (ended.state, ended.exit_code) == (TrainingState.CANCELED, 7)
    assert job.stored()["model"] == b"saved\n"
    log = job.folder.log.read_text()
    assert "interrupted" not in log
    assert re.search(r"\[dlaas\] The command ended \d+\.\d seconds after SIGTERM; it had 300\n", log), log


def test_command_that_ignores_sigterm_is_killed_after_the_grace_of_its_definition(job):
    handle = job.start(f"trap '' TERM; echo ready; {FOREVER}", grace=0.5)
    job.wait(lambda: job.log_contains("ready"), "the command")
    job.runner.stop([handle], {handle: job.folder})
    assert job.end().exit_code == 128 + signal.SIGKILL
    assert "[dlaas] The command was killed: it had not ended 0.5 seconds after SIGTERM" in job.folder.log.read_text()


def test_time_limit_has_the_same_grace(job):
    ended = job.run(FOREVER, timeout=0.5)
    assert (ended.state, ended.code) == (TrainingState.ERROR, "C201")
    assert re.search(r"The command ended \d+\.\d seconds after SIGTERM; it had 30\n", job.folder.log.read_text())


def test_time_limit_kills_after_the_grace(job):
    ended = job.run(f"trap '' TERM; {FOREVER}", timeout=0.5, grace=0.25)
    assert (ended.state, ended.code) == (TrainingState.ERROR, "C201")
    assert "[dlaas] The command was killed: it had not ended 0.25 seconds after SIGTERM" in job.folder.log.read_text()


def test_no_grace_kills_at_once(job):
    handle = job.start(f"trap 'sleep 1000' TERM; echo ready; {FOREVER}", grace=0)
    job.wait(lambda: job.log_contains("ready"), "the command")
    job.runner.stop([handle], {handle: job.folder})
    ended = job.end()
    assert (ended.state, ended.exit_code) == (TrainingState.CANCELED, 128 + signal.SIGKILL)


def test_command_that_has_just_been_started_gets_sigterm(job):
    """Its process may be missing when the request arrives: in a sandbox, it starts after that of bwrap."""
    job.prepare("trap 'exit 5' TERM; while :; do sleep 0.05; done", grace=300)
    handle = job.runner.start(job.folder)
    job.wait(lambda: job.phase() == "processing", "the phase in which the command starts")
    job.runner.stop([handle], {handle: job.folder})
    assert job.end().state is TrainingState.CANCELED
    assert "killed" not in job.folder.log.read_text()
