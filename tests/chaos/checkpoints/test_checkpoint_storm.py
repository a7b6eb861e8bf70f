"""A short chaos test of checkpoints; ``python -m tests.chaos.checkpoints --rounds 200`` is a long one."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from airflow_dlaas.contract.stores import SwiftStoreConnection
from tests.chaos.checkpoints.storm import CheckpointStorm
from tests.chaos.checkpoints.trainings import Trainer
from tests.chaos.service.killable_service import KillableService

SEED, ROUNDS, AT_ONCE = 20261201, 20, 5


@pytest.mark.timeout(900)
def test_killed_trainings_end_with_the_weights_of_undisturbed_ones(tmp_path: Path, swift: SwiftStoreConnection) -> None:
    """
    Learners, commands, services and machines end at random times; no part of a checkpoint is read.

    The work that is repeated is that since the last checkpoint which could be stored.
    """
    service = KillableService(tmp_path / "home", DLAAS_GPUS=f"virtual:{AT_ONCE}")
    with contextlib.closing(service):
        service.start()
        storm = CheckpointStorm(Trainer(service, swift))
        storm.run(SEED, ROUNDS, AT_ONCE)
    print(f"seed {SEED}: {storm.summary()}")  # noqa: T201 - figures to read
    assert not storm.violations, storm.summary()
    assert storm.rounds == ROUNDS
