"""Cancel the training of a task that is killed, although its id may not be known yet."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.task_runs.cancel import cancel_training
from airflow_dlaas.task_runs.run_key import RunKey
from airflow_dlaas.task_runs.search import find_training
from airflow_dlaas.task_runs.submit import submit_training

if TYPE_CHECKING:
    from airflow_dlaas._util.task_logger import TaskLogger
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training

LOOKUP_POLICY = RetryPolicy(attempts=3, first_pause=0.5, jitter=0)
"""
The pauses before each further search for a training whose creation was not confirmed: 0.5 and 1 seconds. A task that
is killed has little time.
"""


def cancel_by_key(
    client: Client,
    run_key: RunKey,
    submitting: TrainingDefinition | None,
    *,
    since: datetime | None,
    logger: TaskLogger,
) -> None:
    """
    Cancel the training with *run_key*, if there is one.

    :param submitting: the definition of a submission that may still be in progress. A server that supports our key
        receives it once more, which creates no second training, so that none can appear after this function's search.
    :raises ServiceError: a request failed, so a training may still run; see `can_retry_cancel`.
    """
    if submitting is not None and client.extensions.idempotency_key:
        training: Training | None = submit_training(client, submitting, run_key, since=since, logger=logger)
    else:
        training = find_training(client, run_key, since=since)
        for pause in LOOKUP_POLICY.pauses() if submitting is not None else ():
            if training is not None:
                break
            time.sleep(pause)
            training = find_training(client, run_key, since=since)
    if training is None:
        logger.info("No training was submitted under key %s; there is nothing to cancel", run_key.idempotency_key)
    elif training.state.is_final:
        logger.info("Training %s is already %s; there is nothing to cancel", training.id, training.state)
    else:
        cancel_training(client, training.id, logger)
