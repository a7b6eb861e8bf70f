"""A short chaos test; ``python -m tests.chaos.airflow`` is a long one."""

from __future__ import annotations

from airflow_dlaas.demo.service_process import ServiceProcess
from tests.chaos.airflow.storm import Storm
from tests.system.stage import Stage, store_of

SEED, ROUNDS = 20261125, 6


def test_after_random_failures_each_task_has_one_training_and_no_other_remains(
    stage: Stage, live_service: ServiceProcess
) -> None:
    with store_of(live_service) as store:
        storm = Storm(stage, live_service, store)
        storm.run(SEED, ROUNDS)
    assert not storm.violations, storm.summary()
    assert storm.rounds == ROUNDS
