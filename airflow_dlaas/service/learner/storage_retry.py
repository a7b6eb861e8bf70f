"""Trying again what may succeed later. An object store restarts with its service; trainings outlive that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from airflow_dlaas.exceptions import StoreError

T = TypeVar("T")

RETRY_TIMEOUT = 900.0
"""Seconds of trying that a training's data and results are worth."""

CANCELED_RETRY_TIMEOUT = 60.0
"""The same once somebody asked for the training's end."""

MAX_RETRY_DELAY = 20.0
"""Seconds between two attempts, at most: a store that is back should not be waited for much longer."""


def retry_delays() -> Iterator[float]:
    """Give the seconds to wait between attempts."""
    pause = 0.5
    while True:
        yield pause
        pause = min(pause * 2, MAX_RETRY_DELAY)


def with_storage_retry(
    work: Callable[[], T], *, get_timeout: Callable[[], float], say: Callable[[str], None], check_interval: float = 1.0
) -> T:
    """
    Do *work*, again while the store says that it may succeed later.

    *get_timeout* is asked at least every *check_interval* seconds, so it can shrink on the way.

    :raises StoreError: the last one, when it is not transient or patience has run out.
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
