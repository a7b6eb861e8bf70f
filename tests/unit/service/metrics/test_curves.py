from __future__ import annotations

import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.metrics.downsample import downsample
from airflow_dlaas.service.metrics.metric_phases import phase_from_folders, split_phase
from airflow_dlaas.service.metrics.metrics_cache import MAX_CACHED_TRAININGS, MetricsCache

LINE = '{{"timestamp":"2026-03-01T12:00:00Z","iteration":{},"phase":"","values":[{{"name":"{}","value":{}}}]}}\n'


def new_cache() -> MetricsCache:
    return MetricsCache(Metric.model_validate_json)


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
    assert phase_from_folders(("logs", "validation")) == "validation"
    assert phase_from_folders(("runs", "a")) == ""
