"""Airflow's option is the default of `deferrable` in all operators and sensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_dlaas.operators.training import TrainModelOperator
from airflow_dlaas.sensors.data import ObjectSensor
from airflow_dlaas.sensors.training import TrainingSensor

MAKE: list[Callable[..., Any]] = [
    lambda **given: TrainModelOperator(task_id="t", definition="{{ definition }}", **given),
    lambda **given: TrainingSensor(task_id="t", training_id="training-a", **given),
    lambda **given: ObjectSensor(task_id="t", container="c", **given),
]


@pytest.mark.parametrize("make", MAKE, ids=("train", "training", "object"))
@pytest.mark.parametrize("option", [True, False])
def test_airflows_option_is_the_default_and_a_parameter_overrides_it(
    make: Callable[..., Any], option: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", str(option))
    assert make().deferrable is option
    assert make(deferrable=not option).deferrable is not option
