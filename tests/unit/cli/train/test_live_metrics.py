"""Metrics that are collected while a training is followed."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_dlaas.cli.train.live_metrics import MAX_POINTS, LiveMetrics, main_series
from airflow_dlaas.contract.training import Metric, MetricValue


def measured(iteration: int, phase: str = "", progress: bool | None = None, **values: float) -> Metric:
    return Metric(
        timestamp=datetime(2026, 1, 1, tzinfo=timezone.utc),
        iteration=iteration,
        phase=phase,
        values=[MetricValue(name=name, value=value) for name, value in values.items()],
        axis="epoch",
        progress=progress,
    )


def collected(*metrics: Metric) -> LiveMetrics:
    live = LiveMetrics()
    live.add(metrics)
    return live


def test_each_metric_of_each_phase_is_a_curve() -> None:
    live = collected(measured(1, loss=2.0, accuracy=0.5), measured(1, "validation", loss=2.2), measured(2, loss=1.5))
    assert [(one.label, one.points) for one in live.series] == [
        ("loss", [(1, 2.0), (2, 1.5)]),
        ("accuracy", [(1, 0.5)]),
        ("validation/loss", [(1, 2.2)]),
    ]
    assert live.latest() == {"loss": 1.5, "accuracy": 0.5, "validation/loss": 2.2}


def test_values_of_a_progress_bar_are_a_curve_of_their_own() -> None:
    live = collected(*(measured(step, progress=True, loss=1 / step) for step in (1, 2, 3)), measured(1, loss=0.9))
    assert [len(one.points) for one in live.series] == [3, 1]
    shown = main_series(live.series, None)
    assert shown is not None
    assert shown.is_progress, "one measured value is not a curve yet"
    live.add([measured(2, loss=0.8)])
    shown = main_series(live.series, None)
    assert shown is not None
    assert not shown.is_progress


def test_main_curve_is_the_loss_or_what_the_user_wants() -> None:
    live = collected(*(measured(epoch, accuracy=0.1 * epoch, loss=1 / epoch, val_loss=2 / epoch) for epoch in (1, 2)))

    def label(wanted: str | None) -> str | None:
        found = main_series(live.series, wanted)
        return found and found.label

    assert label(None) == "loss"
    assert label("accuracy") == "accuracy"
    assert label("unknown") is None
    live = collected(measured(1, "validation", loss=1.0), measured(1, "train", loss=1.0))
    assert label("validation/loss") == "validation/loss"
    assert main_series((), None) is None


def test_number_of_points_is_limited_and_the_ends_stay() -> None:
    live = collected(*(measured(step, loss=float(step)) for step in range(3 * MAX_POINTS)))
    points = live.series[0].points
    assert len(points) <= MAX_POINTS
    assert (points[0][0], points[-1][0]) == (0, 3 * MAX_POINTS - 1)


def test_later_attempt_replaces_what_it_measures_again() -> None:
    live = collected(*(measured(epoch, loss=1 / epoch) for epoch in (1, 2, 3, 4)), measured(1, accuracy=0.5))
    again = [measured(epoch, loss=2 / epoch).model_copy(update={"attempt": 2}) for epoch in (3, 4, 5)]
    live.add(again)
    assert live.series[0].points == [(1, 1.0), (2, 0.5), (3, 2 / 3), (4, 0.5), (5, 0.4)]
    assert live.series[1].points == [(1, 0.5)]
