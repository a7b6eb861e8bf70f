from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from airflow_dlaas.contract.curves import Series
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.metrics.downsample import downsample
from airflow_dlaas.service.metrics.metric_lines import MetricLineReader
from airflow_dlaas.service.metrics.metric_phases import phase_from_folders, split_phase
from airflow_dlaas.service.metrics.metrics_cache import MAX_CACHED_TRAININGS, MetricsCache
from airflow_dlaas.service.metrics.series_points import SeriesPoints

LINE = '{{"timestamp":"2026-03-01T12:00:00Z","iteration":{},"phase":"","values":[{{"name":"{}","value":{}}}]}}\n'


def new_cache() -> MetricsCache:
    return MetricsCache(parse_metric)


def test_downsampling_keeps_a_spike_of_one_point() -> None:
    points = [(float(step), 1.0, 0.0) for step in range(50_000)]
    points[31_234] = (31_234.0, 9.0, 0.0)
    points[40_001] = (40_001.0, math.nan, 0.0)
    kept = downsample(points, 100)
    assert len(kept) <= 100
    assert points[31_234] in kept
    assert any(math.isnan(value) for _, value, _ in kept)


@given(st.lists(st.floats(), max_size=300), st.integers(2, 60))
def test_downsampling_keeps_ends_and_order_and_the_limit(values: list[float], most: int) -> None:
    points = [(float(step), value, 0.0) for step, value in enumerate(values)]
    kept = downsample(points, most)
    steps = [step for step, _, _ in kept]
    assert len(kept) <= most
    assert steps == sorted(set(steps))
    if points:
        assert (steps[0], steps[-1]) == (0.0, float(len(points) - 1))


def test_cache_reads_only_new_complete_lines(tmp_path: Path) -> None:
    path, kept = tmp_path / "metrics.jsonl", new_cache()
    path.write_text(LINE.format(1, "loss", 2.0) + LINE.format(2, "loss", 1.0)[:20])
    first = kept.curves(path, 10, None, complete=False)
    assert [(one.name, one.total) for one in first.series or ()] == [("loss", 1)]
    assert kept.curves(path, 10, first.version, complete=False).series is None
    with path.open("a") as file:
        file.write(LINE.format(2, "loss", 1.0)[20:])
    second = kept.curves(path, 10, first.version, complete=True)
    assert [point[:2] for point in (second.series or ())[0].points] == [(1.0, 2.0), (2.0, 1.0)]
    assert second.complete


def series_of(path: Path, *metrics: dict[str, Any]) -> list[Series]:
    """Return the series of a file with *metrics*, each with the value 1 of "loss" unless it has others."""
    lines = [
        {"timestamp": "2026-03-01T12:00:00.000Z", "iteration": 1, "values": [{"name": "loss", "value": 1.0}], **one}
        for one in metrics
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return list(new_cache().curves(path, 100, None, complete=True).series or ())


def test_values_of_progress_bars_are_series_of_their_own(tmp_path: Path) -> None:
    found = series_of(
        tmp_path / "m",
        {"axis": "step", "progress": True},
        {"axis": "epoch"},
        {"axis": "step", "progress": True, "iteration": 2},
    )
    assert [(one.name, one.axis, one.progress, one.total) for one in found] == [
        ("loss", "step", True, 2),
        ("loss", "epoch", False, 1),
    ]


@pytest.mark.parametrize(
    ("points", "axis"),
    [
        ([(1, "epoch"), (2, "epoch")], "epoch"),
        ([(1, "step"), (5, "step"), (5, "step"), (7, "step")], "step"),
        ([(1, "epoch"), (2, "step")], "step"),
        ([(1, None), (2, None)], None),
        ([(1, None), (2, "epoch")], None),
        ([(100, "step"), (200, "step"), (100, "step")], "time"),
        ([(1, "epoch"), (1, "epoch"), (1, "epoch"), (2, "epoch"), (2, "epoch")], "time"),
    ],
)
def test_axis_is_time_where_iterations_do_not_increase(
    tmp_path: Path, points: list[tuple[int, str | None]], axis: str | None
) -> None:
    [found] = series_of(tmp_path / "m", *({"iteration": step, "axis": stated} for step, stated in points))
    assert found.axis == axis


def test_names_of_one_phase_are_one_series(tmp_path: Path) -> None:
    values = [{"name": "val_loss", "value": 1.0}]
    [found] = series_of(tmp_path / "m", {"phase": "validation"}, {"values": values, "iteration": 2})
    assert (found.phase, found.name, found.total) == ("validation", "loss", 2)


def test_tag_and_folder_of_one_phase_are_one_series(tmp_path: Path) -> None:
    values = [{"name": "train/loss", "value": 1.0}]
    in_folder = {"event_folder": "train", "phase": "train", "iteration": 2}
    [found] = series_of(tmp_path / "m", {"event_folder": "", "values": values}, in_folder)
    assert (found.phase, found.name, found.total) == ("train", "loss", 2)


def test_same_tag_in_two_folders_is_two_series(tmp_path: Path) -> None:
    found = series_of(tmp_path / "m", {"event_folder": "runs/gen"}, {"event_folder": "runs/disc"}, {})
    assert [(one.name, one.total) for one in found] == [("gen/loss", 1), ("disc/loss", 1)]


def attempts_of(path: Path, *attempts: list[int], axis: str = "step") -> Series:
    """Return the series of a file in which each attempt measured "loss" at some iterations; the value is its number."""
    lines = [
        {"iteration": step, "axis": axis, "values": [{"name": "loss", "value": number}]}
        | ({} if number == 1 else {"attempt": number})
        for number, steps in enumerate(attempts, start=1)
        for step in steps
    ]
    [found] = series_of(path, *lines)
    return found


def steps_and_attempts(found: Series) -> list[tuple[float, float]]:
    return [(step, value) for step, value, _ in found.points]


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([[1, 2, 3]], [(1, 1), (2, 1), (3, 1)]),
        ([[1, 2, 3], [2, 3, 4]], [(1, 1), (2, 2), (3, 2), (4, 2)]),
        ([[1, 2, 3], [4, 5]], [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)]),
        ([[10, 20, 30], [15]], [(10, 1), (15, 2)]),
        ([[1, 2, 3], [1]], [(1, 2)]),
        ([[1, 2, 3, 4], [3, 4, 5, 6], [4, 5]], [(1, 1), (2, 1), (3, 2), (4, 3), (5, 3)]),
        ([[1, 2, 3, 4], [3], [2, 3]], [(1, 1), (2, 3), (3, 3)]),
        ([[1, 2, 2, 3], [2, 3]], [(1, 1), (2, 2), (3, 2)]),
        ([[], [1, 2]], [(1, 2), (2, 2)]),
    ],
)
def test_points_of_a_further_attempt_replace_earlier_ones_from_its_first_step_on(
    tmp_path: Path, attempts: list[list[int]], expected: list[tuple[int, int]]
) -> None:
    found = attempts_of(tmp_path / "m", *attempts)
    assert steps_and_attempts(found) == expected
    assert (found.axis, found.total) == ("step", len(expected))


def test_each_series_is_replaced_from_its_own_first_step_on(tmp_path: Path) -> None:
    def values(name: str) -> list[dict[str, Any]]:
        return [{"name": name, "value": 1.0}]

    loss, accuracy = values("loss"), values("acc")
    found = series_of(
        tmp_path / "m",
        *({"iteration": step, "values": loss} for step in (1, 2, 3)),
        *({"iteration": step, "values": accuracy} for step in (1, 3)),
        {"iteration": 2, "values": loss, "attempt": 2},
    )
    assert [(one.name, [point[0] for point in one.points]) for one in found] == [("loss", [1, 2]), ("acc", [1, 3])]


@pytest.mark.parametrize(
    ("attempts", "total"), [([[1, 2, 1, 2], [1, 2]], 6), ([[1, 2, 3], [1, 2, 1]], 6), ([[5, 5, 5, 5], [5, 5, 5]], 7)]
)
def test_points_over_time_are_not_replaced(tmp_path: Path, attempts: list[list[int]], total: int) -> None:
    found = attempts_of(tmp_path / "m", *attempts)
    assert (found.axis, found.total) == ("time", total)


def test_line_of_an_earlier_attempt_after_the_first_one_of_the_next_replaces_nothing(tmp_path: Path) -> None:
    lines = [{"iteration": step, "attempt": attempt} for step, attempt in ((1, 1), (2, 1), (2, 2), (3, 1))]
    [found] = series_of(tmp_path / "m", *lines)
    assert [point[0] for point in found.points] == [1, 2]


def test_curve_changes_while_the_next_attempt_measures(tmp_path: Path) -> None:
    path, kept = tmp_path / "m", new_cache()
    path.write_text("".join(LINE.format(step, "loss", 1) for step in (1, 2, 3)))
    first = kept.curves(path, 10, None, complete=False)
    with path.open("a") as file:
        file.write(LINE.format(2, "loss", 2).replace("}]}", '}],"attempt":2}'))
    second = kept.curves(path, 10, first.version, complete=False)
    assert [steps_and_attempts(one) for one in second.series or ()] == [[(1, 1), (2, 2)]]


def test_tag_and_folder_of_one_phase_are_replaced_together(tmp_path: Path) -> None:
    values = [{"name": "train/loss", "value": 1.0}]
    in_folder = {"event_folder": "train", "phase": "train"}
    [found] = series_of(
        tmp_path / "m",
        {"event_folder": "", "values": values},
        *({**in_folder, "iteration": step} for step in (2, 3)),
        {**in_folder, "iteration": 3, "attempt": 2},
    )
    assert [point[0] for point in found.points] == [1, 2, 3]


@given(st.lists(st.lists(st.integers(0, 30), unique=True, max_size=12).map(sorted), max_size=4))
def test_curve_of_increasing_attempts_has_each_step_once_in_order(attempts: list[list[int]]) -> None:
    points = SeriesPoints()
    for number, steps in enumerate(attempts, start=1):
        for step in steps:
            points.add(number, (step, number, 0.0), "step")
    curve = points.curve()
    steps = list(curve[0::3])
    assert steps == sorted(set(steps))
    newest = next((one for one in reversed(attempts) if one), [])
    assert steps[-len(newest) :] == newest if newest else not steps


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"\xff",
        b"{}",
        b'{"timestamp":"2026-03-01T12:00:00.000Z","iteration":1}',
        b'{"timestamp":"soon","iteration":1,"values":[]}',
        b'{"timestamp":"2026-03-01T12:00:00Z","iteration":"high","values":[]}',
        b'{"timestamp":"2026-03-01T12:00:00Z","iteration":1,"values":[{"name":"a","value":"high"}]}',
        b'{"timestamp":"2026-03-01T12:00:00Z","iteration":1,"values":[{"name":1,"value":1}]}',
        b'{"timestamp":"2026-03-01T12:00:00Z","iteration":1%s,"values":[{"name":"a","value":1}]}' % (b"0" * 400),
    ],
)
def test_damaged_line_is_skipped(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "m"
    path.write_bytes(line + b"\n" + LINE.format(2, "loss", 1.0).encode())
    [found] = new_cache().curves(path, 10, None, complete=True).series or ()
    assert [point[0] for point in found.points] == [2.0]


def parse_metric(line: bytes) -> Metric | None:
    try:
        return Metric.model_validate_json(line)
    except ValidationError:
        return None


@pytest.mark.parametrize(
    "line",
    [
        b'{"timestamp":"2026-03-01T12:00:00.125Z","iteration":3,"phase":"train","values":[{"name":"a","value":"NaN"}]}',
        b'{"timestamp":"2026-03-01T12:00:00+02:00","iteration":3,"values":[{"name":"a","value":"-Infinity"}],"axis":"epoch"}',
        b'{"timestamp":"2026-03-01T12:00:00Z","iteration":3,"values":[{"name":"a","value":1}],"event_folder":"x"}',
        b'{"timestamp":"2026-03-01T12:00:00Z","iteration":"3","values":[{"name":"a","value":"1.5"}],"progress":true}',
        b'{"timestamp":1772366400,"iteration":3.0,"values":[{"name":"a","value":NaN}],"progress":false}',
        b'{"timestamp":"2026-03-01T12:00:00Z","iteration":3,"values":[],"phase":"x","axis":null,"event_folder":null}',
        b'{"timestamp":"2026-03-01T12:00:00Z","iteration":3,"values":[],"attempt":2}',
        b'{"timestamp":"2026-03-01T12:00:00Z","iteration":"3","values":[],"attempt":3}',
        b'{"timestamp":"2026-03-01T12:00:00Z","iteration":3,"values":[],"attempt":null}',
    ],
)
def test_line_has_the_content_that_the_model_reads(line: bytes) -> None:
    metric = Metric.model_validate_json(line)
    expected = (
        metric.timestamp.timestamp(),
        float(metric.iteration),
        metric.phase,
        metric.axis,
        bool(metric.progress),
        metric.event_folder,
        [(one.name, one.value) for one in metric.values],
        metric.attempt or 1,
    )
    assert str(tuple(MetricLineReader(parse_metric).read(line) or ())) == str(expected)


def test_evicted_training_is_read_again(tmp_path: Path) -> None:
    kept = new_cache()
    for number in range(MAX_CACHED_TRAININGS + 2):
        path = tmp_path / str(number)
        path.write_text(LINE.format(1, "loss", number))
        kept.curves(path, 10, None, complete=True)
    again = kept.curves(tmp_path / "0", 10, None, complete=True)
    assert (again.series or ())[0].points[0][1] == 0.0


def test_phase_comes_from_name_directory_or_explicit_phase() -> None:
    assert split_phase("", "val_loss") == ("validation", "loss")
    assert split_phase("", "Training Accuracy") == ("train", "Accuracy")
    assert split_phase("eval", "loss") == ("validation", "loss")
    assert split_phase("validation", "val_loss") == ("validation", "loss")
    assert split_phase("", "test") == ("", "test")
    assert split_phase("", "Loss/train") == ("train", "Loss")
    assert split_phase("validation", "Loss/test") == ("validation", "Loss")
    assert split_phase("", "std_dev") == ("", "std_dev")
    assert split_phase("", "valuation") == ("", "valuation")
    assert split_phase("", "valid_0 auc") == ("validation", "auc")
    assert split_phase("", "valid_1 auc") == ("validation", "auc 1")
    assert phase_from_folders(("logs", "validation"), "loss") == "validation"
    assert phase_from_folders(("runs", "a"), "loss") == ""
    assert phase_from_folders(("runs", "gan_loss_val"), "gan/loss") == "validation"
    assert phase_from_folders(("runs", "other_val"), "loss") == ""
