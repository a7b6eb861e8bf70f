"""Invariants of the server, checked in the database, the job directories, the object store and /proc."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil
from sqlalchemy import create_engine, select

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.tables import experiments, trainings
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.chaos.service.customer import Customer, Promise, md5

FINAL = {str(state) for state in TrainingState if state.is_final}

CLEANUP_TIMEOUT = 60.0
"""Seconds that a learner may run after its training has ended, on a busy machine."""


def violations(customer: Customer, url: str | None = None) -> list[str]:
    """Return every violated invariant of the responses to *customer*; *url* is that of a database elsewhere."""
    engine = create_engine(url or f"sqlite:///{customer.service.home}/database.sqlite")
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(select(trainings)).mappings()]
        known = set(connection.execute(select(experiments.c.id)).scalars())
    engine.dispose()
    found = [f"experiment {one} was confirmed and is missing" for one in customer.experiments - known]
    by_id = {row["id"]: row for row in rows}
    for key, times in Counter(row["key"] for row in rows).items():
        if times > 1:
            found.append(f"{times} runs of key {key}")
    stored = _stored(customer)
    for promise in customer.promises:
        row = by_id.get(promise.id or "")
        found += [f"{promise.id} ({promise.key}): {one}" for one in _broken(customer, promise, row, stored)]
    holders = [row for row in rows if row["state"] not in FINAL and row["phase"] != "storing"]
    busy = Counter(slot for row in holders for slot in row["gpus"])
    found += [f"slot {slot} is held by {times} trainings" for slot, times in busy.items() if times > 1]
    return found


def _broken(
    customer: Customer, promise: Promise, row: dict[str, Any] | None, stored: dict[str, dict[str, str | None]]
) -> Iterator[str]:
    if row is None:
        if promise.id is not None and not promise.deleted:
            yield "was confirmed and is missing"
        return
    begun = customer.begun(promise)
    if begun > 1:
        yield f"its command ran {begun} times"
    if row["state"] not in FINAL:
        return
    if row["state"] not in promise.ends:
        yield f"ended as {row['state']} instead of {'/'.join(promise.ends)}: {row['error']}"
    if promise.acknowledged and row["acknowledged_at"] is None:
        yield "its acknowledgement was confirmed and is missing"
    if row["secrets"] is not None:
        yield "its secrets are still in the database"
    if left := list((customer.service.home / "jobs" / str(promise.id)).glob("*secrets.json*")):
        yield f"secrets are in its job directory: {left}"
    if workers := _at_work(customer, str(promise.id)):
        yield f"has ended, and these processes still run: {workers}"
    if row["state"] == "completed" and begun != 1:
        yield f"completed, and its command ran {begun} times"
    if row["state"] in {"completed", "error"} and row["exit_code"] not in {promise.exit_code, None}:
        yield f"exit code {row['exit_code']} instead of {promise.exit_code}"
    if row["state"] == "completed" and row["exit_code"] != 0:
        yield f"completed with exit code {row['exit_code']}"
    models = {name: tag for name, tag in stored.get(str(promise.id), {}).items() if name.startswith("model")}
    if row["state"] == "completed" and models != {"model.txt": md5(promise.model)}:
        yield f"its models in the container are {models}"
    if models and models != {"model.txt": md5(promise.model)}:
        yield f"a wrong model in the container: {models}"
    if models and row["state"] != "error" and not row["stored"]:
        yield "its model is in the container, and the record does not have it as stored"


def _at_work(customer: Customer, training_id: str) -> list[psutil.Process]:
    """Return the processes of a training that has ended. Its learner may still clean up after exit.json."""
    until = time.monotonic() + CLEANUP_TIMEOUT
    while (workers := customer.service.workers(training_id)) and time.monotonic() < until:
        time.sleep(0.05)
    return workers


def _stored(customer: Customer) -> dict[str, dict[str, str | None]]:
    """Return the objects in the results container: names and MD5s by training."""
    found: dict[str, dict[str, str | None]] = {}
    with SwiftStore.open(customer.store) as swift:
        for one in swift.list_objects(customer.results):
            training_id, _, name = one.name.partition("/")
            found.setdefault(training_id, {})[name] = one.md5
    return found
