"""A short storm; ``python -m tests.chaos.airflow`` is a long one."""

from __future__ import annotations

from airflow_dlaas.demo.service_process import ServiceProcess
from tests.chaos.airflow.storm import Storm
from tests.system.stage import Stage, store_of

SEED, ROUNDS = 20261125, 6


def test_whatever_befalls_there_is_one_training_a_task_and_none_without(
    stage: Stage, live_service: ServiceProcess
) -> None:
    with store_of(live_service) as store:
        storm = Storm(stage, live_service, store, say=print)
        storm.rage(SEED, ROUNDS)
    assert not storm.broken, storm.summary()
    assert storm.rounds == ROUNDS
