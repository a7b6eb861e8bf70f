"""The last value of each metric, from the end of a metrics file. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.metric_lines import MetricLineReader
from airflow_dlaas.service.metrics.series_names import SeriesKey, series_key, series_names

MAX_LAST_METRICS = 32
"""Metrics that are returned at most; each has the values of one line and one phase."""

MAX_READ_LINES = 400
"""Lines of whole epochs, and of progress bars, that are read: enough for all metrics that a training writes in turn."""

_PROGRESS_MARK = b'"progress":true'


def last_values(lines: Iterable[bytes], parse_metric: Callable[[bytes], Metric | None]) -> tuple[Metric, ...]:
    """
    Return the last metric, and after it the last ones of other names, each under the name that its curve has.

    A value that a progress bar showed is returned only for a metric that has no other value. A bar writes a line each
    second, so few of its lines are read.

    :param lines: the newest line first.
    """
    reader = MetricLineReader(parse_metric)
    found: dict[SeriesKey, tuple[bytes, float]] = {}
    left = {True: MAX_READ_LINES, False: MAX_READ_LINES}
    for line in lines:
        is_progress = _PROGRESS_MARK in line
        if left[is_progress] <= 0:
            if left[not is_progress] <= 0:
                break
            continue
        left[is_progress] -= 1
        metric = reader.read(line)
        if metric is None:
            continue
        for name, value in metric.values:
            found.setdefault(series_key(metric.phase, name, metric.is_progress, metric.event_folder), (line, value))
    return _group_values(found, parse_metric)


def _group_values(
    found: dict[SeriesKey, tuple[bytes, float]], parse_metric: Callable[[bytes], Metric | None]
) -> tuple[Metric, ...]:
    """Return the values of each line and phase as one metric."""
    names = series_names(found)
    whole = {(key.phase, name) for key, name in names.items() if not key.is_progress}
    groups: defaultdict[tuple[bytes, str], dict[str, float]] = defaultdict(dict)
    seen: set[tuple[str, str]] = set()
    for key, (line, value) in found.items():
        label = (key.phase, names.get(key, ""))
        if label[1] and label not in seen and not (key.is_progress and label in whole):
            seen.add(label)
            groups[line, key.phase][label[1]] = value
    metrics: list[Metric] = []
    for (line, phase), values in list(groups.items())[:MAX_LAST_METRICS]:
        metric = parse_metric(line)
        if metric is not None:
            named = tuple(MetricValue(name=name, value=value) for name, value in values.items())
            metrics.append(metric.model_copy(update={"phase": phase, "values": named}))
    return tuple(metrics)
