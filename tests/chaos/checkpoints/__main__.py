"""``python -m tests.chaos.checkpoints [--rounds N] [--seed N]``: many rounds, each printed when it has ended."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import tempfile
import time
from pathlib import Path

from pydantic import SecretStr

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from tests.chaos.checkpoints.storm import CheckpointStorm
from tests.chaos.checkpoints.trainings import Trainer
from tests.chaos.service.killable_service import KillableService
from tests.conftest import free_port


def main() -> int:
    """Run the rounds; return 1 if a promise was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.checkpoints")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=5)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="checkpoints-")))
        swift = EmbeddedSwift(folder / "swift", port=free_port(), user="dlaas:trainer", key="made-up-key-of-the-tests")
        access = stack.enter_context(swift).login
        store = SwiftStoreConnection(auth_url=access.auth_url, user_id=access.user, password=SecretStr(access.key))
        service = KillableService(folder / "home", DLAAS_GPUS=f"virtual:{chosen.at_once}")
        stack.enter_context(contextlib.closing(service)).start()
        begun = time.monotonic()
        storm = CheckpointStorm(Trainer(service, store))
        storm.run(chosen.seed, chosen.rounds, chosen.at_once)
        took = time.monotonic() - begun
        print(f"seed {chosen.seed}, {took:.0f} s: {storm.summary()}")  # noqa: T201
        return 1 if storm.violations else 0


if __name__ == "__main__":
    sys.exit(main())
