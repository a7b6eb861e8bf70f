from __future__ import annotations

import json
import math
from datetime import datetime, timezone

import pytest

from airflow_dlaas.service.metrics.jsonl_metrics import parse_line

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)


def test_line_in_the_format_of_existing_clients_is_parsed() -> None:
    line = json.dumps(
        {
            "meta": {"training_id": "training-abcdefghi", "time": 1, "rindex": 1},
            "grouplabel": "test",
            "etimes": {"iteration": {"type": 1, "value": "20"}, "time_stamp": {"type": 2, "value": "x"}},
            "values": {"loss": {"type": 3, "value": 0.5}, "accuracy": {"type": 3, "value": "0.75"}},
        }
    )
    metric = parse_line(line, NOW)
    assert metric is not None
    assert (metric.iteration, metric.axis, metric.phase) == (20, "step", "test")
    assert {one.name: one.value for one in metric.values} == {"loss": 0.5, "accuracy": 0.75}


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "{}", '{"values": {}}', '{"values": {"a": {"value": "high"}}}', '{"values": {"a": {}}}']
)
def test_line_without_numbers_is_ignored(line: str) -> None:
    assert parse_line(line, NOW) is None


@pytest.mark.parametrize("text", ["NaN", '"NaN"', '"nan"', "Infinity", '"-inf"', "1e999"])
def test_value_that_is_not_finite_is_kept(text: str) -> None:
    metric = parse_line(f'{{"values": {{"loss": {{"value": {text}}}}}}}', NOW)
    assert metric is not None
    assert not math.isfinite(metric.values[0].value)


@pytest.mark.parametrize(
    ("etimes", "expected"),
    [
        ("{}", (0, None)),
        ('{"epoch": {"value": 3}}', (3, "epoch")),
        ('{"iteration": {"value": "Infinity"}}', (0, None)),
        ('{"iteration": 1e300}', (0, None)),
    ],
)
def test_iteration_is_that_of_the_line_or_0(etimes: str, expected: tuple[int, str | None]) -> None:
    metric = parse_line(f'{{"values": {{"loss": 1}}, "etimes": {etimes}}}', NOW)
    assert metric is not None
    assert (metric.iteration, metric.axis) == expected
