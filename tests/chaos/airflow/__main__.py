"""``python -m tests.chaos.airflow [--rounds N] [--seed N]``: a long chaos test of a real Airflow, with log."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests import postgresql
from tests.chaos.airflow.storm import Storm
from tests.system.stage import a_service, an_airflow, prepared, store_of


def main() -> int:
    """Run the test; return 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.airflow")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=6)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="storm-")))
        service = stack.enter_context(a_service(folder / "service"))
        server_url = stack.enter_context(postgresql.server())
        airflow = stack.enter_context(an_airflow(folder / "airflow", service, server_url))
        stage = stack.enter_context(prepared(airflow, service, folder))
        store = stack.enter_context(store_of(service))
        begun = time.monotonic()
        storm = Storm(stage, service, store)
        storm.run(chosen.seed, chosen.rounds, chosen.at_once)
        took = time.monotonic() - begun
        print(f"seed {chosen.seed}, {took:.0f} s: {storm.summary()}")  # noqa: T201
        return 1 if storm.violations else 0


if __name__ == "__main__":
    sys.exit(main())
