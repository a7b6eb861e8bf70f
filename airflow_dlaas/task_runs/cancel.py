"""One request to cancel a training, with its result in the task's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_dlaas.client import calls
from airflow_dlaas.exceptions import DlaasError, NotFound, Unauthenticated

if TYPE_CHECKING:
    from airflow_dlaas._util.task_logger import TaskLogger
    from airflow_dlaas.client.client import Client


def cancel_training(client: Client, training_id: str, logger: TaskLogger) -> None:
    """
    Cancel a training; one that does not exist at the service any more is no error.

    :raises ServiceError: the request failed, so the training may still run; see `can_retry_cancel`.
    """
    try:
        client.send(calls.cancel_training(training_id))
    except NotFound:
        logger.info("Training %s does not exist at the service; there is nothing to cancel", training_id)
    else:
        logger.info("Training %s was canceled", training_id)


def try_cancel_training(client: Client, training_id: str, logger: TaskLogger) -> None:
    """Cancel a training as `cancel_training` does; log an error at WARNING instead of raising it."""
    try:
        cancel_training(client, training_id, logger)
    except DlaasError as error:
        logger.warning("Canceling training %s failed (%s); it may still run", training_id, error)


def can_retry_cancel(error: DlaasError) -> bool:
    """Return whether a retry of a failed cancel can help: the service was unreachable, or the password was changed."""
    return error.transient or isinstance(error, Unauthenticated)
