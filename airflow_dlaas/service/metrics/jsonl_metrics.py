"""
Metrics a training writes itself into ``$LOG_DIR/evaluation-metrics.txt``, one JSON object a line.

The form is the one that contemporary clients know (contract, section 6): ``meta``, ``grouplabel``,
``etimes{iteration{type,value},…}``, ``values{name:{type,value}}``.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.log_metrics import readable


def read_line(line: str, now: datetime) -> Metric | None:
    """Read one line; None when it holds no metrics. *now* is when it was seen."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("values"), dict):
        return None
    values = {
        readable(name): number for name, said in record["values"].items() if (number := _number(said)) is not None
    }
    if not values:
        return None
    etimes = record.get("etimes")
    iteration = _number(etimes.get("iteration")) if isinstance(etimes, dict) else None
    return Metric(
        timestamp=now,
        iteration=int(iteration or 0),
        phase=readable(str(record.get("grouplabel") or "")),
        values=tuple(MetricValue(name=name, value=value) for name, value in values.items()),
    )


def _number(said: Any) -> float | None:
    """Take the number out of ``{type, value}``; numbers may be written as text."""
    value = said.get("value") if isinstance(said, dict) else said
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
