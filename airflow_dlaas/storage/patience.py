"""How often and how long transient trouble is sat out. No I/O: whoever asks does the sleeping."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """
    A number of attempts, and pauses between them that double.

    Each pause is between half and all of its length, by chance, so that many clients of one store that broke do not
    come back at the same instant.
    """

    attempts: int = 5
    """Attempts in all: 1 means no second one."""
    initial_delay: float = 0.5
    """Seconds of the first pause."""
    max_delay: float = 30.0
    """Seconds no pause exceeds, whatever the store asks for: a store that wants more is down for this caller."""

    def delays(self, rng: Callable[[], float] = random.random) -> Iterator[float]:
        """The pauses between attempts, in seconds; there are no more attempts when they end."""
        for attempt in range(self.attempts - 1):
            yield min(self.max_delay, self.initial_delay * 2**attempt) * (0.5 + rng() / 2)


NO_RETRY = RetryPolicy(attempts=1)
"""For questions whose asker wants the plain answer now."""
