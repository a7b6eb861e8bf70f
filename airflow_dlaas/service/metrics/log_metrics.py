"""
Metrics in the lines of a log: what the usual training scripts print.

Reads ``Iter 19200, Minibatch Loss= 0.1, Training Accuracy= 0.9``, ``epoch 1 loss: 0.3``, Caffe's and Keras' own lines,
and lines that are JSON objects. A number counts when its name looks like a measure; everything else is passed over.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime

from airflow_dlaas.contract.training import Metric, MetricValue

LINE_LIMIT = 4096
"""Characters of a line that are looked at: it bounds the time any line can take."""

VALUES_LIMIT = 32
"""The most values taken from one line."""

MEASURE = re.compile(
    r"loss|acc|err|\blr\b|learning.?rate|auc|\bf1|precision|recall|perplexity|\bppl\b|\bm[as]e\b|rmse|reward|score|bleu|dice|\biou\b|\bmap\b",
    re.IGNORECASE,
)
"""Names that are measures of a training."""

WORD = r"[A-Za-z_][\w@./()%-]{0,40}"
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"

PAIR = re.compile(rf"(?P<name>{WORD}(?: {WORD}){{0,3}}) ?[=:] ?(?P<value>{NUMBER})(?![\w.])")
"""A name of up to four words, a sign, a number. Every repetition is bounded: no line can make it run away."""

STEP = re.compile(
    r"\b(?:global.?step|iter(?:ation)?s?|step|batch|epoch)\b[ ]?[=:#]?[ ]?\[?(?P<step>\d{1,15})", re.IGNORECASE
)
"""Where in the training a line is."""

STEP_NAMES = ("global_step", "step", "iteration", "iter", "epoch", "batch")
"""The same as keys of a JSON object, the most telling first."""

BAR = re.compile(r"^\s*(?P<done>\d+)/(?P<all>\d+)\s")
"""The start of a Keras progress bar."""

EPOCH = re.compile(r"^\s*Epoch (?P<epoch>\d+)/\d+\s*$")
"""What Keras prints above one."""

TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours and cursor movements."""


class LogMetrics:
    """
    Finds metrics in a log's lines, fed in order.

    A line without a step of its own belongs to the last epoch that was announced, else to the line's number among
    those with metrics. Percentages are kept as the number printed.
    """

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._found = 0

    def feed(self, line: str, now: datetime) -> Metric | None:
        """Read one line, without its newline; *now* is when it was seen."""
        text = shown(line)
        if (announced := EPOCH.match(text)) is not None:
            self._epoch = int(announced["epoch"])
            return None
        if text.lstrip().startswith("{"):
            step, values = _from_json(text)
        elif "=" in text or ":" in text:
            step, values = _from_words(text)
        else:
            return None
        bar = BAR.match(text)
        if bar is not None and bar["done"] != bar["all"]:
            return None
        if not values:
            return None
        self._found += 1
        if step is None or bar is not None:
            step = self._epoch if self._epoch is not None else self._found
        return Metric(
            timestamp=now, iteration=step, values=tuple(MetricValue(name=n, value=v) for n, v in values.items())
        )


def shown(line: str) -> str:
    """Give what a terminal would show of *line* in the end: a bar redraws itself with carriage returns, say."""
    return re.split(r"[\r\x08]+", TERMINAL.sub("", line[-LINE_LIMIT:]).rstrip("\r\x08 "))[-1]


def readable(name: str) -> str:
    """Give *name* as it can be written: JSON may hold half of a surrogate pair, and UTF-8 may not."""
    return name.encode(errors="replace").decode()


def _from_words(text: str) -> tuple[int | None, dict[str, float]]:
    values: dict[str, float] = {}
    for found in PAIR.finditer(text):
        name = found["name"].strip().split(" - ")[-1]
        value = float(found["value"])
        if MEASURE.search(name) and math.isfinite(value) and len(values) < VALUES_LIMIT:
            values[name] = value
    return step_in(text), values


def step_in(text: str) -> int | None:
    """Find where in the training a line is."""
    found = STEP.search(text)
    return int(found["step"]) if found else None


def _from_json(text: str) -> tuple[int | None, dict[str, float]]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None, {}
    numbers = {
        readable(name): float(value)
        for name, value in record.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    }
    step = next((int(numbers[name]) for name in STEP_NAMES if name in numbers), None)
    measures = [(name, value) for name, value in numbers.items() if MEASURE.search(name.replace("_", " "))]
    return step, dict(measures[:VALUES_LIMIT])
