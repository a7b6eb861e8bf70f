"""
Metrics that a training writes into ``$LOG_DIR/evaluation-metrics.txt``, one JSON object per line.

The format is the one that existing clients use (contract, section 6): ``meta``, ``grouplabel``,
``etimes{iteration{type,value},…}``, ``values{name:{type,value}}``.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.log_metrics import replace_surrogates


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
    etimes = record.get("etimes")
    iteration = _parse_number(etimes.get("iteration")) if isinstance(etimes, dict) else None
    return Metric(
        timestamp=now,
        iteration=int(iteration or 0),
        phase=replace_surrogates(str(record.get("grouplabel") or "")),
        values=tuple(MetricValue(name=name, value=value) for name, value in values.items()),
    )


def _parse_number(raw_value: Any) -> float | None:
    """Return the number of ``{type, value}``, which may be a text; None if there is none."""
    value = raw_value.get("value") if isinstance(raw_value, dict) else raw_value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
