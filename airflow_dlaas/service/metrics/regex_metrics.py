"""Metrics in log lines, by the regular expressions in the definition of the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import re2

from airflow_dlaas.contract.metric_definition import STEP_GROUP, MetricDefinition, value_group
from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.log_metrics import EPOCH_PATTERN, find_step, visible_text

DEFINITIONS_FIELD = "metric_definitions"

MAX_REGEX_MEMORY = 1024**2
"""Bytes of memory for one expression. The time of RE2 is always proportional to the length of the line."""

MAX_STEP = 1e15
"""Up to this, a float represents every integer exactly."""


class RegexMetricsParser:
    """
    Parses the metrics of *definitions*, and no others, from the lines of a log, which must be passed in order.

    A line may have several metrics. The step is the group ``step`` of the expression; or else the step that `find_step`
    finds in the line; or else the last epoch that Keras announced; or else the count of the values of this metric.
    """

    def __init__(self, definitions: Sequence[MetricDefinition]) -> None:
        compiled = [(one.name, _compile(one.regex)) for one in definitions]
        self._expressions = [(name, one, value_group(one.groups, one.groupindex)) for name, one in compiled]
        self._last_epoch: int | None = None
        self._match_counts = dict.fromkeys((one.name for one in definitions), 0)

    def parse_line(self, line: str, now: datetime) -> Iterator[Metric]:
        """Parse one line, without its newline; *now* is when it was read."""
        text = visible_text(line)
        if (epoch_match := EPOCH_PATTERN.match(text)) is not None:
            self._last_epoch = int(epoch_match["epoch"])
        by_step: dict[int, list[MetricValue]] = {}
        for name, expression, group in self._expressions:
            match = expression.search(text)
            number = None if match is None else _parse_number(match.group(group))
            if match is None or number is None:
                continue
            self._match_counts[name] += 1
            step = _parse_step(match.groupdict().get(STEP_GROUP))
            if step is None:
                step = find_step(text)
            if step is None:
                step = self._match_counts[name] if self._last_epoch is None else self._last_epoch
            by_step.setdefault(step, []).append(MetricValue(name=name, value=number))
        for step, values in by_step.items():
            yield Metric(timestamp=now, iteration=step, values=tuple(values))

    def unmatched_metrics(self) -> list[str]:
        """Return the names of the metrics that no line has matched."""
        return [name for name, number in self._match_counts.items() if not number]


def regex_errors(definitions: Sequence[MetricDefinition]) -> list[str]:
    """Return a message ``field: sentence`` for each invalid expression."""
    return [
        f"{DEFINITIONS_FIELD}[{index}].regex: is no expression of RE2, which has neither look-around nor back "
        "references, and repeats at most 1000 times"
        for index, one in enumerate(definitions)
        if not _is_valid_regex(one.regex)
    ]


def _is_valid_regex(regex: str) -> bool:
    try:
        _compile(regex)
    except re2.error:
        return False
    return True


def _compile(regex: str) -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 would write them to stderr, without context
    options.max_mem = MAX_REGEX_MEMORY
    return re2.compile(regex, options)


def _parse_step(text: str | None) -> int | None:
    number = _parse_number(text)
    return int(number) if number is not None and abs(number) < MAX_STEP else None


def _parse_number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
