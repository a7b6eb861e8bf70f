"""
The service in a process that can be killed at each kill point, and the server that forks such processes.

``python -m tests.chaos.service.forked_service`` reads requests from the socket that is its standard input, and forks a
service for each; the imports, which are most of a start, are made once. It writes messages to the pipe that is sent
with the request: ``pid N`` after the fork, and ``ended STATUS`` after the end. Between them, the service writes its
message that it is ready.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from airflow_dlaas.cli.app import app as console
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import DlaasError, NotFound
from airflow_dlaas.service import app, key_rotation
from airflow_dlaas.service.dispatcher import lease
from airflow_dlaas.service.runners import local
from tests.chaos.service.kill_points import KillPlan, killable_class

STORE_WRITES = (
    "create_experiment",
    "add_version",
    "set_content",
    "delete_experiment",
    "create_training",
    "request_cancel",
    "acknowledge",
    "set_annotations",
    "delete_training",
    "acquire_lease",
    "reserve_gpus",
    "set_handle",
    "record_progress",
    "begin_next_attempt",
    "finish",
)
"""The methods of the store that change something."""

MAX_REQUEST_BYTES = 1024**2
"""The maximum size of a request to start a service."""

LEASE_DURATION = timedelta(seconds=4)
"""Shorter than the real duration, since tests wait until the lease expires."""

RUNNER_WRITES = ("start", "stop", "kill_leftovers")
JOB_DIRECTORY_WRITES = ("prepare_job", "abandon_unclaimed")


def transition(before: TrainingState, after: TrainingState) -> str:
    """Return the call name of a change of state."""
    return f"state.{before}-{after}"


def _store_names(store: Any, method: str, *arguments: Any) -> Iterator[str]:
    """Yield the names of a call: that of its method, and that of the change of state that it makes."""
    yield f"store.{method}"
    match method, arguments:
        case "record_progress", (training_id, state, *_):
            after = state
        case "finish", (training_id, outcome, *_):
            after = outcome.state
        case "request_cancel", (_, training_id, _):
            after = TrainingState.CANCELED
        case _:
            return
    try:
        record = next(one for one in store.list_unfinished() if one.id == training_id)
    except (StopIteration, NotFound):
        return
    if method == "request_cancel" and record.started_at is not None:
        return  # only requested: the dispatcher cancels a training that was started
    yield transition(record.state, after)


def _fixed_name(part: str) -> Any:
    return lambda _self, method, *_arguments: [f"{part}.{method}"]


def install(kill_plan: KillPlan) -> None:
    """Replace components of the service by killable ones, in the modules that make them."""
    key_rotation.SqlStore = killable_class(  # type: ignore[misc]
        key_rotation.SqlStore, kill_plan, _store_names, *STORE_WRITES
    )
    app.LocalRunner = killable_class(app.LocalRunner, kill_plan, _fixed_name("runner"), *RUNNER_WRITES)  # type: ignore[misc]
    app.JobDirectories = killable_class(  # type: ignore[misc]
        app.JobDirectories, kill_plan, _fixed_name("job_directories"), *JOB_DIRECTORY_WRITES
    )
    event.listen(Engine, "commit", lambda _connection: kill_plan.on_commit())
    lease.LEASE_DURATION = LEASE_DURATION  # type: ignore[misc]
    local.LEARNER_MODULE = "tests.chaos.service.learner"


def serve() -> int:
    """Run the service until it has ended; return the exit code."""
    try:
        console(["serve"], standalone_mode=False)
    except DlaasError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def run_service(request: dict[str, Any], messages: int, log: int) -> None:
    """Run one service in a new process; write its process id and its exit status to *messages*."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.dup2(messages, 1)
    os.dup2(log, 2)
    pid = os.fork()
    if pid:
        os.write(1, f"pid {pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(1, f"ended {os.waitstatus_to_exitcode(status)}\n".encode())
        return
    install(KillPlan(Path(request["kill_plan"])))
    code = 1
    try:
        code = serve()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Start services as requested, until the socket is closed."""
    start_requests = socket.socket(fileno=os.dup(0))
    while True:
        content, handles, _, _ = socket.recv_fds(start_requests, MAX_REQUEST_BYTES, 2)
        if not content:
            return
        if os.fork() == 0:
            start_requests.close()
            run_service(json.loads(content), *handles)
            os._exit(0)
        for handle in handles:
            os.close(handle)
        while reap_one():
            pass


def reap_one() -> bool:
    """Reap a child process that has ended; return whether there was one."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


if __name__ == "__main__":
    main()
