"""The log of a training: all that its command prints, at once, whatever the command does to its own output."""

from __future__ import annotations

import os
import re

import pytest

from airflow_dlaas.contract.state import TrainingState
from tests.integration.service.learner.conftest import AWAIT_BEGUN, BEGUN, GATE

STREAMS = ("/proc/self/fd/1", "/proc/self/fd/2", "/dev/stdout", "/dev/stderr")


@pytest.fixture(params=["bubblewrap", "none"], autouse=True)
def isolation(request: pytest.FixtureRequest, job) -> str:
    """Each promise holds in a sandbox and without one."""
    if request.param == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    job.isolation = request.param
    return job.isolation


def lines(job) -> list[str]:
    return job.folder.log.read_text().splitlines()[1:]


def test_command_cannot_truncate_its_log(job):
    empty = "".join(f": > {stream}; truncate -s 0 {stream} 2> $TMPDIR/x; " for stream in STREAMS)
    ended = job.run(f"echo before; {empty} echo after")
    assert (ended.state, lines(job)) == (TrainingState.COMPLETED, ["before", "after"])
    assert job.stored()["learner-1/training-log.txt"].decode().splitlines()[1:] == ["before", "after"]


def test_command_cannot_overwrite_its_log(job):
    seeks = "import os; print('before', flush=True); os.lseek(1, 0, os.SEEK_SET)"
    job.run(f'python3 -c "{seeks}"; echo forged')
    assert lines(job)[0] == "before"
    assert lines(job)[-1] == "forged"


def test_stdout_can_be_opened_by_its_name(job):
    job.run("".join(f"echo one > {stream}; echo two | tee {stream} >&2; echo three; " for stream in STREAMS))
    assert lines(job) == ["one", "two", "two", "three"] * len(STREAMS)


def test_stdout_and_stderr_keep_their_order(job):
    job.run("for i in $(seq 300); do echo out $i; echo err $i >&2; done")
    assert lines(job) == [f"{stream} {i}" for i in range(1, 301) for stream in ("out", "err")]


def test_binary_output_and_a_line_without_end_are_unchanged(job):
    # Without carriage returns, by which a line is redrawn.
    blob = (
        "import os; b = bytes({*range(256)} - {13}) * 20_000; "
        "[os.write(1, b[at : at + 7919]) for at in range(0, len(b), 7919)]"
    )
    job.run(f'python3 -c "{blob}"')
    assert job.folder.log.read_bytes().partition(b"\n")[2] == bytes({*range(256)} - {13}) * 20_000


def test_progress_bar_is_logged_at_once(job):
    bar = "import sys, time; [(sys.stderr.write(f'\\\\r{i}% loss=0.5'), time.sleep(0.1)) for i in range(6000)]"
    job.start(f'python3 -c "{bar}"')
    job.wait(
        lambda: job.phase() == "processing" and re.search(rb"\r[1-9]\d*% loss", job.folder.log.read_bytes()), "the bar"
    )


def test_process_outside_with_the_pipe_does_not_delay_the_end(job):
    job.start(f"echo ready; {GATE}")
    job.wait(lambda: job.log_contains("ready"), "the command")
    held = os.open(job.folder.output, os.O_WRONLY | os.O_NONBLOCK)
    job.open_gate()
    try:
        assert job.end().state is TrainingState.COMPLETED
    finally:
        os.close(held)
    assert not job.folder.output.exists()


def test_background_process_with_the_pipe_is_ended(job):
    """It never ends by itself: were it waited for, there would be no end."""
    ended = job.run(f"(trap '' TERM; while :; do echo again; {BEGUN}; sleep 0.1; done) & {AWAIT_BEGUN}; echo done")
    assert ended.state is TrainingState.COMPLETED
    assert "again" in lines(job)
    assert lines(job)[-1].startswith("[dlaas] Ended ")
