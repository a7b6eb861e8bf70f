"""Wait for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that something may take on a machine that does a lot else; less than one is usual."""


def until(
    look: Callable[[], T],
    holds: Callable[[T], object] = bool,
    *,
    details: Callable[[], object] = str,
    seconds: float = PATIENCE,
) -> T:
    """
    Call *look* until *holds* is true of what it returns, and return that.

    :param details: what else a failure shows.
    :raises AssertionError: that has not come within *seconds*; it says what *look* returned last.
    """
    deadline = time.monotonic() + seconds
    while not holds(seen := look()):
        assert time.monotonic() < deadline, f"not so within {seconds:g} s; last seen: {seen!r} {details()}"
        time.sleep(0.02)
    return seen
