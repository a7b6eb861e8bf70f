"""
How hard the fuzzing tries.

As it is, the same examples come every time, and all of `tests/fuzz` takes two minutes. By hand it may look longer,
at other examples each time::

    DLAAS_FUZZ=50 python -m pytest tests/fuzz --timeout 0

tries fifty times as many. What it finds, Hypothesis prints as a call to repeat: put the example into a test.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("DLAAS_FUZZ", "1"))


def effort(examples: int) -> settings:
    """Try this many examples, or as many times more as was asked for."""
    return settings(
        max_examples=examples * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        print_blob=TIMES > 1,
        suppress_health_check=list(HealthCheck),
    )
