"""
Metrics that a training writes into ``$LOG_DIR/evaluation-metrics.txt``, one JSON object per line.

The format is the one that existing clients use (contract, section 6): ``meta``, ``grouplabel``,
``etimes{iteration{type,value},…}``, ``values{name:{type,value}}``.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.line_content import MAX_STEP
from airflow_dlaas.service.metrics.line_records import replace_surrogates
from airflow_dlaas.service.metrics.position_tracker import EPOCH_AXIS, STEP_AXIS


def parse_line(line: str, now: datetime) -> Metric | None:
    """Parse one line; return None if it has no metrics. *now* is when the line was read."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("values"), dict):
        return None
    values = {
        replace_surrogates(name): number
        for name, raw_value in record["values"].items()
        if (number := _parse_number(raw_value)) is not None
    }
    if not values:
        return None
    iteration, axis = _parse_iteration(record.get("etimes"))
    return Metric(
        timestamp=now,
        iteration=iteration,
        phase=replace_surrogates(str(record.get("grouplabel") or "")),
        values=tuple(MetricValue(name=name, value=value) for name, value in values.items()),
        axis=axis,
    )


def _parse_iteration(etimes: Any) -> tuple[int, str | None]:
    """Return the iteration, or else the epoch, and the name of its axis; 0 if there is none."""
    if isinstance(etimes, dict):
        for key, axis in (("iteration", STEP_AXIS), ("epoch", EPOCH_AXIS)):
            number = _parse_number(etimes.get(key))
            if number is not None and abs(number) <= MAX_STEP:
                return int(number), axis
    return 0, None


def _parse_number(raw_value: Any) -> float | None:
    """Return the number of ``{type, value}``, which may be a text (``NaN`` too); None if there is none."""
    value = raw_value.get("value") if isinstance(raw_value, dict) else raw_value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
