from __future__ import annotations

import json
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
    assert (metric.iteration, metric.phase) == (20, "test")
    assert {one.name: one.value for one in metric.values} == {"loss": 0.5, "accuracy": 0.75}


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "{}", '{"values": {}}', '{"values": {"a": {"value": "NaN"}}}', '{"values": {"a": {}}}']
)
def test_line_without_numbers_is_ignored(line: str) -> None:
    assert parse_line(line, NOW) is None
