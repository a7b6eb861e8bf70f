"""
The service, in a process that can be killed at every step.

``python -m tests.chaos.service.victim`` forks a service for each order that comes through the socket which is its
standard input; the imports, most of a start, are made once. On the pipe that came with the order it says ``pid N``,
lets the service say that it is ready, and says ``ended STATUS`` when it has ended.
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
from airflow_dlaas.service import app
from airflow_dlaas.service.dispatcher import lease
from airflow_dlaas.service.runners import local
from tests.chaos.service.faults import Fuse, fragile

STORE = (
    "create_experiment",
    "add_version",
    "set_content",
    "delete_experiment",
    "create_training",
    "request_cancel",
    "acknowledge",
    "delete_training",
    "acquire_lease",
    "reserve_gpus",
    "set_handle",
    "record_progress",
    "finish",
)
"""The store's verbs that change something."""

ORDER = 1024**2
"""Bytes of an order at most."""

LEASE = timedelta(seconds=4)
"""Shorter than the real one, since tests wait for it to run out."""

RUNNER = ("start", "stop", "kill_leftovers")
JOB_DIRECTORIES = ("prepare_job", "abandon_unclaimed")


def transition(before: TrainingState, after: TrainingState) -> str:
    """What the step from one state to another goes by."""
    return f"state.{before}-{after}"


def _store_names(store: Any, verb: str, *arguments: Any) -> Iterator[str]:
    """Name a call by its verb, and by the change of state that it makes."""
    yield f"store.{verb}"
    match verb, arguments:
        case "record_progress", (training_id, state, *_):
            after = state
        case "finish", (training_id, outcome):
            after = outcome.state
        case "request_cancel", (_, training_id, _):
            after = TrainingState.CANCELED
        case _:
            return
    try:
        record = next(one for one in store.list_unfinished() if one.id == training_id)
    except (StopIteration, NotFound):
        return
    if verb == "request_cancel" and record.started_at is not None:
        return  # asked for, not done yet
    yield transition(record.state, after)


def _names(part: str) -> Any:
    return lambda _self, verb, *_arguments: [f"{part}.{verb}"]


def prepare(fuse: Fuse) -> None:
    """Put parts that can kill in the place of the service's own, in the one file that joins them."""
    app.SqlStore = fragile(app.SqlStore, fuse, _store_names, *STORE)  # type: ignore[misc]
    app.LocalRunner = fragile(app.LocalRunner, fuse, _names("runner"), *RUNNER)  # type: ignore[misc]
    app.JobDirectories = fragile(app.JobDirectories, fuse, _names("job_directories"), *JOB_DIRECTORIES)  # type: ignore[misc]
    event.listen(Engine, "commit", lambda _connection: fuse.commits())
    lease.LEASE_DURATION = LEASE  # type: ignore[misc]
    local.LEARNER_MODULE = "tests.chaos.service.learner"


def serve() -> int:
    """Be the service."""
    try:
        console(["serve"], standalone_mode=False)
    except DlaasError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def attend(order: dict[str, Any], words: int, log: int) -> None:
    """Run one service and tell of its end, in a process of its own."""
    os.environ.clear()
    os.environ.update(order["environment"])
    os.dup2(words, 1)
    os.dup2(log, 2)
    pid = os.fork()
    if pid:
        os.write(1, f"pid {pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(1, f"ended {os.waitstatus_to_exitcode(status)}\n".encode())
        return
    prepare(Fuse(Path(order["fuse"])))
    code = 1
    try:
        code = serve()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Take orders until nobody gives any more."""
    orders = socket.socket(fileno=os.dup(0))
    while True:
        content, handles, _, _ = socket.recv_fds(orders, ORDER, 2)
        if not content:
            return
        if os.fork() == 0:
            orders.close()
            attend(json.loads(content), *handles)
            os._exit(0)
        for handle in handles:
            os.close(handle)
        while reaped():
            pass


def reaped() -> bool:
    """Reap one that has ended, if there is one."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


if __name__ == "__main__":
    main()
