"""The links of our operators and sensors, as Airflow reads them."""

from __future__ import annotations

import pytest
from airflow.sdk import BaseOperatorLink

from airflow_dlaas.operators.training import SubmitTrainingOperator, TrainModelOperator
from airflow_dlaas.sensors.training import TrainingSensor


@pytest.mark.parametrize(
    ("operator_class", "names"),
    [
        (SubmitTrainingOperator, ["Training", "TensorBoard"]),
        (TrainModelOperator, ["Training", "TensorBoard"]),
        (TrainingSensor, ["Training"]),
    ],
)
def test_links_are_read_from_the_class(operator_class: type, names: list[str]) -> None:
    """Mapped operators have the class only."""
    links = operator_class.operator_extra_links
    assert all(isinstance(link, BaseOperatorLink) for link in links)
    assert [link.name for link in links] == names


def test_links_are_read_from_an_operator() -> None:
    sensor = TrainingSensor(task_id="await", training_id="training-1")
    assert [link.name for link in sensor.operator_extra_links] == ["Training"]
