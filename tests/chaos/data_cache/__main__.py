"""``python -m tests.chaos.data_cache [--rounds N] [--seed N]``: many rounds of the storm."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.data_cache.storm import CacheStorm


def main() -> int:
    """Run the rounds; an AssertionError shows a violated promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.data_cache")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--learners", type=int, default=6)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    logging.getLogger("tests.chaos.data_cache").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="data-cache-") as folder:
        begun = time.monotonic()
        result = CacheStorm(Path(folder), chosen.seed).run(chosen.rounds, chosen.learners)
        print(f"seed {chosen.seed}, {time.monotonic() - begun:.0f} s: {result}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
