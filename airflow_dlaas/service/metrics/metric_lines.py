"""
Reads the lines of a metrics file.

A file has tens of thousands of lines, and a page waits for all of them at its first request. So a line in the form that
the learner writes is checked here by its types, without building a `Metric`; any other line is left to the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from pydantic_core import from_json

from airflow_dlaas.contract.training import Metric

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Values that JSON has no numbers for, as the learner writes them."""

MAX_ITERATION = 10**300
"""Iterations up to this are read; one that no float can hold makes its line an invalid one."""


class MetricLine(NamedTuple):
    """One line of a metrics file."""

    timestamp: float
    """Seconds since the epoch."""
    iteration: float
    phase: str
    axis: str | None
    is_progress: bool
    event_folder: str | None
    values: list[tuple[str, float]]
    """Names and values."""
    attempt: int = 1
    """The attempt of the training that measured them."""


class MetricLineReader:
    """Reads the lines of one metrics file. Not thread-safe."""

    def __init__(self, parse_metric: Callable[[bytes], Metric | None]) -> None:
        self._parse_metric = parse_metric
        self._timestamp_text = ""
        self._timestamp = 0.0

    def read(self, line: bytes) -> MetricLine | None:
        """Return the content of *line*; None if it is no metric."""
        try:
            return self._read_document(from_json(line))
        except (ValueError, TypeError, KeyError, OverflowError):
            metric = self._parse_metric(line)
            return None if metric is None or abs(metric.iteration) > MAX_ITERATION else _from_metric(metric)

    def _read_document(self, document: dict[str, object]) -> MetricLine:
        """Return the content of *document*; raise an error if it is not in the usual form."""
        text, iteration, values = document["timestamp"], document["iteration"], document["values"]
        get = document.get
        phase, axis, progress, folder = get("phase", ""), get("axis"), get("progress"), get("event_folder")
        attempt = get("attempt")
        if type(text) is not str or type(iteration) is not int or type(phase) is not str or type(values) is not list:
            raise TypeError
        if text != self._timestamp_text:  # values of one line, and of one pass over the log, have the same time
            self._timestamp_text, self._timestamp = text, _parse_timestamp(text)
        return MetricLine(
            self._timestamp,
            float(iteration),
            phase,
            axis if type(axis) is str else None,
            progress is True,
            folder if type(folder) is str else None,
            [_read_value(value) for value in values],
            attempt if type(attempt) is int else 1,
        )


def _read_value(document: dict[str, object]) -> tuple[str, float]:
    name, value = document["name"], document["value"]
    if type(name) is not str:
        raise TypeError
    if type(value) is float:
        return name, value
    return name, float(value) if type(value) is int else NON_FINITE[value]  # type: ignore[index]


def _parse_timestamp(text: str) -> float:
    return datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text).timestamp()


def _from_metric(metric: Metric) -> MetricLine:
    return MetricLine(
        metric.timestamp.timestamp(),
        float(metric.iteration),
        metric.phase,
        metric.axis,
        bool(metric.progress),
        metric.event_folder,
        [(value.name, value.value) for value in metric.values],
        1 if metric.attempt is None else metric.attempt,
    )
