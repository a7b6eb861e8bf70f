from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.last_values import MAX_READ_LINES, last_values

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)


def line(iteration: int, *, phase: str = "", more: dict[str, Any] | None = None, **values: float) -> bytes:
    named = tuple(MetricValue(name=name, value=value) for name, value in values.items())
    metric = Metric(timestamp=NOW, iteration=iteration, phase=phase, values=named, **(more or {}))
    return metric.model_dump_json(exclude_none=True).encode()


def bar(iteration: int, **values: float) -> bytes:
    return line(iteration, more={"progress": True}, **values)


def last(*lines: bytes) -> list[str]:
    """Return the last values of *lines*, which are in the order of the file."""
    metrics = last_values(reversed(lines), Metric.model_validate_json)
    return [
        f"{metric.phase}/{value.name}={value.value:g} @{metric.iteration}{' bar' if metric.progress else ''}"
        for metric in metrics
        for value in metric.values
    ]


def test_last_value_of_each_name_is_returned_newest_first() -> None:
    assert last(line(1, loss=3, acc=0.1), line(2, loss=2), line(3, lr=1)) == ["/lr=1 @3", "/loss=2 @2", "/acc=0.1 @1"]


def test_newest_line_counts_though_an_earlier_attempt_went_further() -> None:
    further = line(7, loss=3, more={"attempt": 2})
    assert last(line(9, loss=1, acc=0.9), further) == ["/loss=3 @7", "/acc=0.9 @9"]


def test_last_value_that_is_not_finite_is_the_last_value() -> None:
    assert last(line(1, loss=0.5), line(2, loss=float("nan"))) == ["/loss=nan @2"]
    assert last(line(1, loss=0.5), line(2, loss=float("inf"))) == ["/loss=inf @2"]


def test_values_have_the_names_of_their_curves() -> None:
    assert last(line(1, loss=1, val_loss=2)) == ["/loss=1 @1", "validation/loss=2 @1"]
    folders = [line(1, adv=one, more={"event_folder": name}) for one, name in ((1, "gen"), (2, "disc"))]
    assert last(*folders) == ["/disc/adv=2 @1", "/gen/adv=1 @1"]


def test_value_of_a_progress_bar_counts_only_without_another() -> None:
    assert last(line(1, loss=1), bar(20, loss=5, acc=0.5)) == ["/acc=0.5 @20 bar", "/loss=1 @1"]


def test_values_of_progress_bars_hide_no_others() -> None:
    bars = [bar(step, loss=5) for step in range(2 * MAX_READ_LINES)]
    assert last(line(1, val_loss=1), *bars) == [f"/loss=5 @{len(bars) - 1} bar", "validation/loss=1 @1"]
    steps = [line(step, loss=5) for step in range(2 * MAX_READ_LINES)]
    assert last(bar(1, acc=1), *steps) == [f"/loss=5 @{len(steps) - 1}", "/acc=1 @1 bar"]
