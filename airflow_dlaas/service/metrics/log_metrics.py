"""
Metrics in log lines of common training scripts.

`line_grammar` and `line_records` read one line, `progress_bars` takes the numbers of a progress bar out of it, and
`position_tracker` remembers where in the training the lines are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from airflow_dlaas._util.terminal_text import plain_text
from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.line_content import LineContent
from airflow_dlaas.service.metrics.line_grammar import parse_text
from airflow_dlaas.service.metrics.line_records import parse_record
from airflow_dlaas.service.metrics.metric_phases import split_phase
from airflow_dlaas.service.metrics.position_tracker import Position, PositionTracker
from airflow_dlaas.service.metrics.progress_bars import TQDM, ProgressBar, find_bar

MAX_LINE_LENGTH = 4096
"""Characters at the end of a line that are parsed, which limits the time for a line."""

_ANNOUNCEMENT = re.compile(
    r"(?:^|[^\w\s]\s{0,3})(?:(?:train(?:ing)?|start(?:ing)?|begin(?:ning)?|running)\s)?(?:epoch|iter(?:ation)?)\W{0,4}\d",
    re.IGNORECASE,
)
"""A line that states where the next lines are: Keras' ``Epoch 2/5``, Caffe's ``] Iteration 100, Testing net``."""


class LogMetricsParser:
    """
    Parses metrics from the lines of a log, which must be passed in order.

    A line that states no position has the last one that was stated, or else the number of this line among those with
    metrics. A percentage is kept as the printed number, a ratio is divided.
    """

    def __init__(self) -> None:
        self._tracker = PositionTracker()
        self._count = 0
        self._progress_text = ""

    def parse_line(self, line: str, now: datetime, *, is_redrawn: bool = False) -> Metric | None:
        """
        Parse one line, without its newline.

        :param now: when it was read.
        :param is_redrawn: the line is a state that the program has redrawn, or will redraw.
        """
        text = visible_text(line)
        bar = find_bar(text)
        content = parse_content(bar.text if bar else text)
        if not content.values:
            announce(self._tracker, content, text)
            return None
        phase, names = _phase_and_names(tuple(content.values))
        is_progress = shows_progress(bar, is_redrawn=is_redrawn)
        if not is_progress:
            self._count += 1
            position = self._position(bar, content, phase)
        elif text == self._progress_text:
            return None  # the last state of a line is read again when the line ends
        else:
            self._progress_text = text
            position = self._progress_position(bar, content, phase)
        return Metric(
            timestamp=now,
            iteration=position.iteration,
            phase=phase,
            values=tuple(map(_metric_value, names, content.values.values())),
            axis=position.axis,
            progress=is_progress or None,
        )

    def parse_state(self, text: str, now: datetime, is_redrawn: bool) -> Iterator[Metric]:
        """Yield the metrics of a line, or of a state of a line that is redrawn: see `parse_line`."""
        metric = self.parse_line(text, now, is_redrawn=is_redrawn)
        if metric is not None:
            yield metric

    def _position(self, bar: ProgressBar | None, content: LineContent, phase: str) -> Position:
        if bar is not None and not content.has_position and self._tracker.announced_epoch is not None:
            content.set_epoch(self._tracker.announced_epoch, is_fractional=False)
        return self._tracker.locate(content, phase) or self._tracker.last or Position(self._count, None)

    def _progress_position(self, bar: ProgressBar | None, content: LineContent, phase: str) -> Position:
        if bar is not None:
            return self._tracker.locate_bar(content, phase, bar.done, bar.total)
        return self._tracker.locate(content, phase) or self._tracker.last or Position(self._count, None)


def parse_content(text: str) -> LineContent:
    """Return the content of a line: of the object in it, with the position before the object, or of its text."""
    record = parse_record(text) if "{" in text else None
    if record is None:
        return parse_text(text)
    if record.values and not record.has_position:
        before = parse_text(text[: text.index("{")])
        record.epoch, record.is_fractional_epoch = before.epoch, before.is_fractional_epoch
        record.step, record.total, record.is_global_step = before.step, before.total, before.is_global_step
    return record


def announce(tracker: PositionTracker, content: LineContent, text: str) -> None:
    """Pass the position of a line without metrics to *tracker*, if the line announces one."""
    if content.has_position and _ANNOUNCEMENT.search(text):
        tracker.announce(content)


def shows_progress(bar: ProgressBar | None, *, is_redrawn: bool) -> bool:
    """
    Return whether the values of a line were measured within an epoch.

    The last state of a Keras bar has the values of the epoch; tqdm shows those of the last batch in each state.
    """
    if bar is None:
        return is_redrawn
    return is_redrawn or bar.kind == TQDM or not bar.is_complete


def _metric_value(name: str, value: float) -> MetricValue:
    return MetricValue(name=name, value=value)


def visible_text(line: str) -> str:
    """Return what a terminal finally shows of the end of *line*: a progress bar may have redrawn it."""
    text = line[-MAX_LINE_LENGTH:]
    return text if text.isprintable() else plain_text(text.rstrip("\r\x08 ").replace("\x08", "\r"))


@lru_cache(maxsize=1024)
def _phase_and_names(values: tuple[tuple[str, str], ...]) -> tuple[str, tuple[str, ...]]:
    """
    Return the phase that all *values* of a line have, and their names; phases that differ are parts of the names.

    :param values: the phase of the heading, and the name.
    """
    common, *others = {heading for heading, _ in values}
    own_phases = {split_phase("", name)[0] for _, name in values}
    if not others and (not common or own_phases <= {"", common}):
        return common, tuple(name for _, name in values)
    return "", tuple(
        name if not heading or split_phase("", name)[0] else f"{heading}/{name}" for heading, name in values
    )
