"""Lines with any text that a command prints."""

from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.metrics.log_metrics import LogMetricsParser
from tests.fuzz.effort import effort

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)


@effort(100)
@given(st.text())
def test_any_line_is_parsed_without_an_error_and_its_metric_is_valid_json(line: str) -> None:
    metric = LogMetricsParser().parse_line(line, NOW)
    text = metric.model_dump_json() if metric else None  # compared as text, because NaN is not equal to itself
    assert text is None or Metric.model_validate_json(text).model_dump_json() == text
