"""Retries of object-store operations: the embedded store restarts with its service, and trainings continue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from airflow_dlaas._util.retry import RetryOptions, RetryPolicy, call_with_retry
from airflow_dlaas.exceptions import StoreError

T = TypeVar("T")

RETRY_TIMEOUT = 900.0
"""Seconds of retries for a training's data or results."""

CANCELED_RETRY_TIMEOUT = 60.0
"""Seconds of retries for a training that is being canceled."""

POLICY = RetryPolicy(attempts=None, first_pause=0.5, max_pause=20.0, jitter=0)
"""The maximum pause is short, so that a store is used soon after it is back."""


def with_storage_retry(
    operation: Callable[[], T], *, what: str, get_timeout: Callable[[], float], logger: logging.Logger
) -> T:
    """
    Call *operation*, with retries while its error is transient; each retry is logged.

    :param what: the operation as the start of a sentence: "Loading the data".
    :param get_timeout: seconds from the call of this function, called again each second: the timeout may become
        shorter meanwhile.
    :raises StoreError: the last error, if it is not transient or the timeout is over.
    """
    started_at = time.monotonic()
    return call_with_retry(
        operation,
        POLICY,
        what=what,
        is_transient=lambda error: isinstance(error, StoreError) and error.transient,
        logger=logger,
        options=RetryOptions(deadline=lambda: started_at + get_timeout()),
    )
