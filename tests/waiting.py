"""Waits for another thread or process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WAIT_TIMEOUT = 60.0
"""The most seconds of a wait, for a busy machine; less than one is usual."""


def until(
    look: Callable[[], T],
    holds: Callable[[T], object] = bool,
    *,
    details: Callable[[], object] = str,
    seconds: float = WAIT_TIMEOUT,
) -> T:
    """
    Call *look* until *holds* is true for its result, and return the result.

    :param details: returns more information for the message of a failure.
    :raises AssertionError: it has not become true within *seconds*; the message has the last result.
    """
    deadline = time.monotonic() + seconds
    while not holds(seen := look()):
        assert time.monotonic() < deadline, f"timeout after {seconds:g} s; last result: {seen!r} {details()}"
        time.sleep(0.02)
    return seen
