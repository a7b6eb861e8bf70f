"""
The number of examples of the fuzz tests.

By default, the examples are the same at each run, and all of `tests/fuzz` takes two minutes. For a longer run with
other examples each time::

    DLAAS_FUZZ=50 python -m pytest tests/fuzz --timeout 0

runs fifty times as many. For a failure, Hypothesis prints the call that repeats it: add the example to a test.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("DLAAS_FUZZ", "1"))


def effort(examples: int) -> settings:
    """Return settings for this number of examples, multiplied by `DLAAS_FUZZ`."""
    return settings(
        max_examples=examples * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        print_blob=TIMES > 1,
        suppress_health_check=list(HealthCheck),
    )
