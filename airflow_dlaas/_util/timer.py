"""The clock, the pauses and the random numbers of a wait, as one value that tests replace."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Timer:
    """All times are in seconds."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Any] = time.sleep
    """In an asynchronous wait, a coroutine function."""
    random: Callable[[], float] = random.random
    """Returns a number in [0, 1) for the jitter of a pause."""


SYSTEM_TIMER = Timer()
