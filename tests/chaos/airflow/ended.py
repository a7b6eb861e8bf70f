"""``python -m tests.chaos.airflow.ended [--rounds N] [--sizes 1,4] [--ways NAME,…]``: cancel many trainings at once."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from tests import postgresql
from tests.system.dags.sweeps import SIZES
from tests.system.stage import a_service, an_airflow, prepared
from tests.system.sweep import WAYS, Sweep


def main() -> int:
    """Run the test; return 1 if a training was not canceled."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.airflow.ended")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="start no round after this number of seconds"
    )
    chosen = parser.parse_args()
    ended, lost, begun = Counter[tuple[str, int]](), 0, time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ended-")))
        service = stack.enter_context(a_service(folder / "service", gpus=max(SIZES)))
        server_url = stack.enter_context(postgresql.server())
        airflow = stack.enter_context(an_airflow(folder / "airflow", service, server_url))
        stage = stack.enter_context(prepared(airflow, service, folder))
        for _ in range(chosen.rounds):
            for size in map(int, chosen.sizes.split(",")):
                for way in chosen.ways.split(","):
                    if time.monotonic() - begun > chosen.seconds:
                        break
                    kind, end = WAYS[way]
                    since = time.monotonic()
                    sweep = Sweep.begin(stage, size, folder, kind)
                    ready = time.monotonic()
                    left = end(sweep)
                    ended[way, size] += 1
                    lost += len(left)
                    _print(f"{way}, {size}: {len(left)} lost, {ready - since:.0f} s + {time.monotonic() - ready:.0f} s")
                    if left:
                        _print(sweep.describe())
                    with contextlib.suppress(HostError):
                        sweep.mark_run("failed")
    for (way, size), rounds in sorted(ended.items()):
        _print(f"{way}, {size} at once: {rounds} rounds")
    trainings = sum(size * rounds * (2 if way == "cleared" else 1) for (way, size), rounds in ended.items())
    _print(f"{trainings} trainings ended in {time.monotonic() - begun:.0f} s, {lost} lost")
    return 1 if lost else 0


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the progress of a script


if __name__ == "__main__":
    sys.exit(main())
