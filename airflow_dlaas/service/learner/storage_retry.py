"""Retries of object-store operations: the embedded store restarts with its service, and trainings continue."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from airflow_dlaas.exceptions import StoreError

T = TypeVar("T")

RETRY_TIMEOUT = 900.0
"""Seconds of retries for a training's data or results."""

CANCELED_RETRY_TIMEOUT = 60.0
"""Seconds of retries for a training that is being canceled."""

MAX_RETRY_DELAY = 20.0
"""Maximum seconds between two attempts, so that a store is used soon after it is back."""


def retry_delays() -> Iterator[float]:
    """Yield the seconds to wait between attempts."""
    pause = 0.5
    while True:
        yield pause
        pause = min(pause * 2, MAX_RETRY_DELAY)


def with_storage_retry(
    work: Callable[[], T], *, get_timeout: Callable[[], float], say: Callable[[str], None], check_interval: float = 1.0
) -> T:
    """
    Call *work*, with retries while its error is transient.

    *get_timeout* is called at least each *check_interval* seconds, so the timeout may become shorter meanwhile.

    :raises StoreError: the last error, if it is not transient or the timeout is over.
    """
    begun, waits = time.monotonic(), retry_delays()
    while True:
        try:
            return work()
        except StoreError as error:
            pause = next(waits)
            if not error.transient or time.monotonic() + pause - begun > get_timeout():
                raise
            say(f"{error}; trying again in {pause:.1f} s")
        again = time.monotonic() + pause
        while (left := again - time.monotonic()) > 0 and time.monotonic() - begun <= get_timeout():
            time.sleep(min(left, check_interval))
