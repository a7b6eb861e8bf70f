"""``python -m tests.chaos.service [--rounds N] [--seed N]``: many random rounds, each printed when it is done."""

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
from tests.chaos.service.customer import Customer
from tests.chaos.service.killable_service import KillableService
from tests.chaos.service.rounds import Chaos
from tests.conftest import free_port


def main() -> int:
    """Run the rounds; return 1 if an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.service")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("tests.chaos.service").setLevel(logging.INFO)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        swift = EmbeddedSwift(folder / "swift", port=free_port(), user="dlaas:trainer", key="made-up-key-of-the-tests")
        access = stack.enter_context(swift).login
        store = SwiftStoreConnection(auth_url=access.auth_url, user_id=access.user, password=SecretStr(access.key))
        service = stack.enter_context(contextlib.closing(KillableService(folder / "home")))
        service.start()
        customer = Customer(service, store)
        customer.put_content(customer.create_experiment())
        begun = time.monotonic()
        chaos = Chaos(customer, chosen.seed, logging.getLogger("tests.chaos.service"))
        chaos.run(chosen.rounds)
        took = time.monotonic() - begun
        print(f"{chosen.rounds} rounds of seed {chosen.seed} in {took:.0f} s\n{chaos.summary()}")  # noqa: T201
        return 1 if chaos.violations else 0


if __name__ == "__main__":
    sys.exit(main())
