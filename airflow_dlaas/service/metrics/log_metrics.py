"""
Metrics in log lines of common training scripts.

It parses ``Iter 19200, Minibatch Loss= 0.1, Training Accuracy= 0.9``, ``epoch 1 loss: 0.3``, Caffe's and Keras' own
lines, and lines that are JSON objects. A number is a metric if its name matches `METRIC_NAME_PATTERN`; other numbers
are ignored.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime

from airflow_dlaas.contract.training import Metric, MetricValue

MAX_LINE_LENGTH = 4096
"""Characters of a line that are parsed, which limits the time for a line."""

MAX_VALUES_PER_LINE = 32
"""Maximum number of values from one line."""

METRIC_NAME_PATTERN = re.compile(
    r"loss|acc|err|\blr\b|learning.?rate|auc|\bf1|precision|recall|perplexity|\bppl\b|\bm[as]e\b|rmse|reward|score|bleu|dice|\biou\b|\bmap\b",
    re.IGNORECASE,
)
"""Names of metrics."""

WORD_REGEX = r"[A-Za-z_][\w@./()%-]{0,40}"
NUMBER_REGEX = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"

NAME_VALUE_PATTERN = re.compile(
    rf"(?P<name>{WORD_REGEX}(?: {WORD_REGEX}){{0,3}}) ?[=:] ?(?P<value>{NUMBER_REGEX})(?![\w.])"
)
"""A name of up to four words, a sign, a number. Every repetition is bounded, which limits the backtracking."""

STEP_PATTERN = re.compile(
    r"\b(?:global.?step|iter(?:ation)?s?|step|batch|epoch)\b[ ]?[=:#]?[ ]?\[?(?P<step>\d{1,15})", re.IGNORECASE
)
"""The step of a line."""

STEP_KEYS = ("global_step", "step", "iteration", "iter", "epoch", "batch")
"""Keys of the step in a JSON object, the most specific first."""

PROGRESS_BAR_PATTERN = re.compile(r"^\s*(?P<done>\d+)/(?P<all>\d+)\s")
"""The start of a Keras progress bar."""

EPOCH_PATTERN = re.compile(r"^\s*Epoch (?P<epoch>\d+)/\d+\s*$")
"""The line that Keras prints above a progress bar."""

ANSI_ESCAPE_PATTERN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Escape sequences for colours and cursor movements."""


class LogMetricsParser:
    """
    Parses metrics from the lines of a log, which must be passed in order.

    The step of a line without one is the last epoch that was announced, or else the number of this line among those
    with metrics. A percentage is kept as the printed number.
    """

    def __init__(self) -> None:
        self._last_epoch: int | None = None
        self._metric_line_count = 0

    def parse_line(self, line: str, now: datetime) -> Metric | None:
        """Parse one line, without its newline; *now* is when it was read."""
        text = visible_text(line)
        if (epoch_match := EPOCH_PATTERN.match(text)) is not None:
            self._last_epoch = int(epoch_match["epoch"])
            return None
        if text.lstrip().startswith("{"):
            step, values = _parse_json(text)
        elif "=" in text or ":" in text:
            step, values = _parse_text(text)
        else:
            return None
        bar = PROGRESS_BAR_PATTERN.match(text)
        if bar is not None and bar["done"] != bar["all"]:
            return None
        if not values:
            return None
        self._metric_line_count += 1
        if step is None or bar is not None:
            step = self._last_epoch if self._last_epoch is not None else self._metric_line_count
        return Metric(
            timestamp=now, iteration=step, values=tuple(MetricValue(name=n, value=v) for n, v in values.items())
        )


def visible_text(line: str) -> str:
    """
    Return what a terminal finally shows of *line*: a progress bar, for example, redraws itself by carriage returns.
    """
    return re.split(r"[\r\x08]+", ANSI_ESCAPE_PATTERN.sub("", line[-MAX_LINE_LENGTH:]).rstrip("\r\x08 "))[-1]


def replace_surrogates(name: str) -> str:
    """Return *name* as valid UTF-8: JSON may contain half of a surrogate pair."""
    return name.encode(errors="replace").decode()


def _parse_text(text: str) -> tuple[int | None, dict[str, float]]:
    values: dict[str, float] = {}
    for found in NAME_VALUE_PATTERN.finditer(text):
        name = found["name"].strip().split(" - ")[-1]
        value = float(found["value"])
        if METRIC_NAME_PATTERN.search(name) and math.isfinite(value) and len(values) < MAX_VALUES_PER_LINE:
            values[name] = value
    return find_step(text), values


def find_step(text: str) -> int | None:
    """Return the step in *text*, or None."""
    found = STEP_PATTERN.search(text)
    return int(found["step"]) if found else None


def _parse_json(text: str) -> tuple[int | None, dict[str, float]]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None, {}
    numbers = {
        replace_surrogates(name): float(value)
        for name, value in record.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    }
    step = next((int(numbers[name]) for name in STEP_KEYS if name in numbers), None)
    measures = [(name, value) for name, value in numbers.items() if METRIC_NAME_PATTERN.search(name.replace("_", " "))]
    return step, dict(measures[:MAX_VALUES_PER_LINE])
