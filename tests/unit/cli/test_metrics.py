"""The choice of curves that the command `metrics` shows."""

from __future__ import annotations

from math import nan

import pytest

from airflow_dlaas.cli.metrics import plotted_by_default, select_series, table_row
from airflow_dlaas.contract.curves import Series
from airflow_dlaas.exceptions import InvalidArgument


def curve(name: str, *values: float, phase: str = "", progress: bool = False) -> Series:
    points = tuple((float(number), value, 0.0) for number, value in enumerate(values, 1))
    return Series(name=name, phase=phase, axis="epoch", progress=progress, total=len(points), points=points)


ALL = [
    curve("accuracy", 0.1),
    curve("loss", 2.0, progress=True),
    curve("loss", 1.0),
    curve("loss", 1.5, phase="validation"),
]


def test_metrics_are_selected_by_name_and_phase() -> None:
    assert select_series(ALL, names=(), phase=None) == ALL
    assert select_series(ALL, names=("loss",), phase=None) == ALL[1:]
    assert select_series(ALL, names=("validation/loss", "accuracy"), phase=None) == [ALL[0], ALL[3]]
    assert select_series(ALL, names=(), phase="validation") == [ALL[3]]
    assert select_series([], names=("loss",), phase="train") == []


@pytest.mark.parametrize(
    ("names", "phase", "message"),
    [
        (("los",), None, "--name: there is no metric 'los'; there are accuracy, loss, validation/loss"),
        ((), "test", r"--phase: no metric has the phase 'test'; there are \(none\), validation"),
    ],
)
def test_unknown_metric_is_refused_with_the_known_ones(names: tuple[str, ...], phase: str | None, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        select_series(ALL, names=names, phase=phase)


def test_loss_is_plotted_first_and_measured_values_before_those_of_a_bar() -> None:
    assert plotted_by_default(ALL) == [ALL[2], ALL[0]]
    assert plotted_by_default(ALL[1:2]) == [ALL[1]]
    assert plotted_by_default([]) == []


def test_row_has_the_last_value_and_the_extremes_without_nan() -> None:
    assert table_row(curve("loss", 2.0, 0.5, nan)) == ("loss", "3", "nan", "epoch 3", "0.5 (2)", "2 (1)")
    assert table_row(curve("loss", phase="validation")) == ("validation/loss", "0", "", "", "", "")
    assert table_row(curve("loss", nan, progress=True))[0] == "loss (progress bar)"
