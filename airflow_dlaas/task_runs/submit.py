"""
Submit a training for a task exactly once, also if the worker, the response or the service is lost.

A server that supports `Idempotency-Key` guarantees that itself. On any other v3 server, the list of trainings is read
before and after the submission: a training with our key in its description is ours. If a race has created two, the
earlier one stays.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas._util.terminal_text import escape_control_characters
from airflow_dlaas.client import calls
from airflow_dlaas.client.require_known_keys import require_known_keys
from airflow_dlaas.exceptions import Conflict, DlaasError, RateLimited
from airflow_dlaas.task_runs.cancel import try_cancel_training
from airflow_dlaas.task_runs.run_key import RunKey, with_run_key
from airflow_dlaas.task_runs.search import find_training, list_with_key

if TYPE_CHECKING:
    from airflow_dlaas._util.task_logger import TaskLogger
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training

LOOKUP_POLICY = RetryPolicy(attempts=5, first_pause=0.5, max_pause=4.0, jitter=0)
"""The pauses before each search for a training whose creation was not confirmed: 0.5, 1, 2 and 4 seconds."""


def submit_training(
    client: Client, definition: TrainingDefinition, run_key: RunKey, *, since: datetime | None, logger: TaskLogger
) -> Training:
    """
    Create the training with *run_key*, or return the one that exists.

    :param since: the earliest time at which it can have been submitted.
    :raises InvalidDefinition: the service does not know a key of the definition; nothing was sent.
    :raises ServiceError: it was not created, or that is unknown; another call with the same key creates no second one.
    """
    require_known_keys(client, definition)
    if definition.metric_definitions and not client.extensions.metric_definitions:
        logger.warning(
            "The service does not support metric definitions; it reads metrics from the log by its own patterns, if any"
        )
        definition = definition.model_copy(update={"metric_definitions": None})
    if not client.extensions.idempotency_key:
        return _submit_without_idempotency(client, definition, run_key, since, logger)
    try:
        return client.send(
            calls.create_training(with_run_key(definition, run_key), idempotency_key=run_key.idempotency_key)
        )
    except Conflict:
        existing = find_training(client, run_key, since=since)
        if existing is None:
            raise
        logger.warning(
            "The definition has changed since training %s was submitted; the task uses that training as it is",
            existing.id,
        )
        return existing


def log_training(training: Training, logger: TaskLogger) -> None:
    """Log the training that belongs to a task."""
    logger.info("Training %s is %s", training.id, training.state)
    if training.status.runtime:
        runtime = escape_control_characters(training.status.runtime, single_line=True)
        logger.info("Training %s runs on %s", training.id, runtime)


def _submit_without_idempotency(
    client: Client, definition: TrainingDefinition, run_key: RunKey, since: datetime | None, logger: TaskLogger
) -> Training:
    existing = find_training(client, run_key, since=since)
    if existing is not None:
        return existing
    created = None
    try:
        created = client.send(calls.create_training(with_run_key(definition, run_key)))
    except DlaasError as error:
        if not error.transient or isinstance(error, RateLimited):
            raise
        # The response was lost or incomplete: the training may exist, or the service may be creating it.
        for pause in LOOKUP_POLICY.pauses():
            time.sleep(pause)
            if find_training(client, run_key, since=since) is not None:
                break
        else:
            raise
    found = list_with_key(client, run_key, since=since)
    first, *others = found if found or created is None else [created]
    for other in others:
        if not other.state.is_final:
            logger.warning("Training %s is a second one for the same task; canceling it", other.id)
            try_cancel_training(client, other.id, logger)
    return first
