"""Metrics in log lines, by the regular expressions in the definition of the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import re2

from airflow_dlaas.contract.metric_definition import STEP_GROUP, MetricDefinition, value_group
from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.line_content import MAX_STEP
from airflow_dlaas.service.metrics.log_metrics import announce, parse_content, shows_progress, visible_text
from airflow_dlaas.service.metrics.position_tracker import EPOCH_AXIS, STEP_AXIS, Position, PositionTracker
from airflow_dlaas.service.metrics.progress_bars import find_bar

DEFINITIONS_FIELD = "metric_definitions"

MAX_REGEX_MEMORY = 1024**2
"""Bytes of memory for one expression. The time of RE2 is always proportional to the length of the line."""


class RegexMetricsParser:
    """
    Parses the metrics of *definitions*, and no others, from the lines of a log, which must be passed in order.

    A line may have several metrics. The step is the group ``step`` of the expression; or else the position that the
    line states; or else the last epoch that a line announced; or else the count of the values of this metric.
    """

    def __init__(self, definitions: Sequence[MetricDefinition]) -> None:
        compiled = [(one.name, _compile(one.regex)) for one in definitions]
        self._expressions = [(name, one, value_group(one.groups, one.groupindex)) for name, one in compiled]
        self._tracker = PositionTracker()
        self._match_counts = dict.fromkeys((one.name for one in definitions), 0)
        self._progress_text = ""

    def parse_line(self, line: str, now: datetime, is_redrawn: bool = False) -> Iterator[Metric]:
        """
        Parse one line, without its newline.

        :param now: when it was read.
        :param is_redrawn: the line is a state that the program has redrawn, or will redraw.
        """
        text = visible_text(line)
        bar = find_bar(text)
        is_progress = shows_progress(bar, is_redrawn=is_redrawn)
        if is_progress and text == self._progress_text:
            return  # the last state of a line is read again when the line ends
        self._progress_text = text if is_progress else ""
        content = parse_content(bar.text if bar else text)
        matches = list(self._matches(text))
        if not matches:
            announce(self._tracker, content, text)
            return
        if bar is not None and is_progress:
            stated: Position | None = self._tracker.locate_bar(content, "", bar.done, bar.total)
        else:
            stated = self._tracker.locate(content, "")
        by_position: dict[Position, list[MetricValue]] = {}
        for value, step in matches:
            position = Position(step, STEP_AXIS) if step is not None else stated or self._unstated_position(value.name)
            by_position.setdefault(position, []).append(value)
        for position, values in by_position.items():
            yield Metric(
                timestamp=now,
                iteration=position.iteration,
                values=tuple(values),
                axis=position.axis,
                progress=is_progress or None,
            )

    def _matches(self, text: str) -> Iterator[tuple[MetricValue, int | None]]:
        """Yield each value in *text*, with the step that its expression has found."""
        for name, expression, group in self._expressions:
            match = expression.search(text)
            number = None if match is None else _parse_number(match.group(group))
            if match is not None and number is not None:
                self._match_counts[name] += 1
                yield MetricValue(name=name, value=number), _parse_step(match.groupdict().get(STEP_GROUP))

    def _unstated_position(self, name: str) -> Position:
        epoch = self._tracker.announced_epoch
        return Position(self._match_counts[name], None) if epoch is None else Position(epoch, EPOCH_AXIS)

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
