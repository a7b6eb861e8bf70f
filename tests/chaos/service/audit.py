"""Checks of the service's state after any kills: in the database, the folders, the object store and /proc."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil
from sqlalchemy import create_engine, select

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.tables import experiments, trainings
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.chaos.service.customer import Customer, Submission, md5

FINAL = {str(state) for state in TrainingState if state.is_final}

ATTEMPT_FOLDER = re.compile(r"\Aattempt-[0-9]+/")
"""The folder of the results of a later attempt, in the folder of its training."""

CLEANUP_TIMEOUT = 60.0
"""Seconds that a learner may still run after its training has ended, on a machine with high load."""


def find_violations(customer: Customer, url: str | None = None) -> list[str]:
    """
    Return every violation of an invariant: each response that *customer* received must still be true.

    :param url: the database, if it is not in the home folder of the service.
    """
    engine = create_engine(url or f"sqlite:///{customer.service.home}/database.sqlite")
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(select(trainings)).mappings()]
        known = set(connection.execute(select(experiments.c.id)).scalars())
    engine.dispose()
    found = [f"experiment {one} was confirmed and is missing" for one in customer.experiments - known]
    by_id = {row["id"]: row for row in rows}
    for key, times in Counter(row["key"] for row in rows).items():
        if times > 1:
            found.append(f"{times} trainings of key {key}")
    stored = _stored_objects(customer)
    for submission in customer.submissions:
        row = by_id.get(submission.id or "")
        found += [
            f"{submission.id} ({submission.key}): {one}" for one in _violations_of(customer, submission, row, stored)
        ]
    holders = [row for row in rows if row["state"] not in FINAL and row["phase"] != "storing"]
    busy = Counter(slot for row in holders for slot in row["gpus"])
    found += [f"slot {slot} is held by {times} trainings" for slot, times in busy.items() if times > 1]
    return found


def _violations_of(
    customer: Customer, submission: Submission, row: dict[str, Any] | None, stored: dict[str, dict[str, str | None]]
) -> Iterator[str]:
    if row is None:
        if submission.id is not None and not submission.deleted:
            yield "was confirmed and is missing"
        return
    starts = customer.command_starts(submission)
    if starts > 1:
        yield f"its command ran {starts} times"
    for attempt, times in customer.earlier_starts(submission).items():
        if times > 1:
            yield f"its command ran {times} times in {attempt}"
    if row["state"] not in FINAL:
        return
    if row["state"] not in submission.end_states:
        yield f"ended as {row['state']} instead of {'/'.join(submission.end_states)}: {row['error']}"
    if submission.acknowledged and row["acknowledged_at"] is None:
        yield "its acknowledgement was confirmed and is missing"
    if submission.tag is not None and row["tags"] != f",{submission.tag},":
        yield f"its tag {submission.tag} was confirmed and is missing"
    if row["secrets"] is not None:
        yield "its secrets are still in the database"
    if left := list((customer.service.home / "jobs" / str(submission.id)).glob("*secrets.json*")):
        yield f"secrets are in its job directory: {left}"
    if remaining := _remaining_processes(customer, str(submission.id)):
        yield f"has ended and still has processes: {remaining}"
    if row["state"] == "completed" and starts != 1:
        yield f"completed, and its command ran {starts} times"
    if row["state"] in {"completed", "error"} and row["exit_code"] not in {submission.exit_code, None}:
        yield f"exit code {row['exit_code']} instead of {submission.exit_code}"
    if row["state"] == "completed" and row["exit_code"] != 0:
        yield f"completed with exit code {row['exit_code']}"
    models = {name: tag for name, tag in stored.get(str(submission.id), {}).items() if name.startswith("model")}
    if row["state"] == "completed" and models != {"model.txt": md5(submission.model)}:
        yield f"its models in the container are {models}"
    if models and models != {"model.txt": md5(submission.model)}:
        yield f"a wrong model in the container: {models}"
    if models and row["state"] != "error" and not row["stored"]:
        yield "its model is in the container, and the service has not recorded that"


def _remaining_processes(customer: Customer, training_id: str) -> list[psutil.Process]:
    """Return the processes of a training that has ended, after the time in which its learner may clean up."""
    until = time.monotonic() + CLEANUP_TIMEOUT
    while (remaining := customer.service.processes_of(training_id)) and time.monotonic() < until:
        time.sleep(0.05)
    return remaining


def _stored_objects(customer: Customer) -> dict[str, dict[str, str | None]]:
    """Return names and MD5s of the objects in the results container, by training."""
    found: dict[str, dict[str, str | None]] = {}
    with SwiftStore.open(customer.store) as swift:
        for one in swift.list_objects(customer.results):
            training_id, _, name = one.name.partition("/")
            name = ATTEMPT_FOLDER.sub("", name)
            found.setdefault(training_id, {})[name] = one.md5
    return found
