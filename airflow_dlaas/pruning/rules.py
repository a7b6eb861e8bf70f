"""The rules by which results are kept. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from fnmatch import fnmatchcase

from airflow_dlaas.exceptions import InvalidArgument


class MetricMode(str, Enum):
    """Which value of a metric is the best."""

    MIN = "min"
    MAX = "max"

    def __str__(self) -> str:
        return self.value


_WORDS_BY_MODE = {
    MetricMode.MIN: {"loss", "error", "err", "perplexity", "mae", "mse", "rmse", "wer", "cer", "fid", "nll"},
    MetricMode.MAX: {
        "accuracy",
        "acc",
        "auc",
        "f1",
        "precision",
        "recall",
        "map",
        "bleu",
        "rouge",
        "iou",
        "dice",
        "r2",
    },
}
"""Words in the names of metrics, by what is better."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, kw_only=True)
class PruneRules:
    """
    What is kept of the results of trainings that have ended; the results of others are never deleted.

    The trainings of one name (`model_definition.name`) are compared with each other. Results are deleted if no rule
    keeps them.
    """

    keep: int | None = None
    """How many are kept of each name: the newest completed ones, and as many of the newest others."""
    keep_best: str | None = None
    """A metric: the results of the completed training with the best last value are kept."""
    mode: MetricMode | None = None
    """Which value of `keep_best` is the best; None: by the words in its name."""
    keep_tags: tuple[str, ...] = ()
    """Results of trainings with one of these tags are kept."""
    name: str | None = None
    """Only trainings of this name; with ``*``, ``?`` or ``[``, a pattern for the whole name."""
    older_than: timedelta | None = None
    """Results of trainings that have ended later than so long ago are kept."""

    def __post_init__(self) -> None:
        """
        Check the rules.

        :raises InvalidArgument: there is none, or one is not valid.
        """
        if self.keep is None and self.keep_best is None and not self.keep_tags and self.older_than is None:
            raise InvalidArgument("at least one of keep, keep_best, keep_tags and older_than must be given")
        if self.keep is not None and self.keep < 1:
            raise InvalidArgument(f"keep: must be 1 or more, not {self.keep}")
        _ = self.best_mode

    @property
    def best_mode(self) -> MetricMode | None:
        """
        Which value of the metric is the best; None without a metric.

        :raises InvalidArgument: neither `mode` nor the name of the metric decides it.
        """
        if self.keep_best is None or self.mode is not None:
            return self.mode
        words = set(re.split(r"[^a-z0-9]+", self.keep_best.lower()))
        modes = [mode for mode, known in _WORDS_BY_MODE.items() if words & known]
        if len(modes) != 1:
            raise InvalidArgument(
                f"mode: must be given (min or max): the name {self.keep_best!r} does not show which value is the best"
            )
        return modes[0]

    def matches_name(self, name: str) -> bool:
        """Whether the rules are about trainings of this name."""
        if self.name is None or self.name == name:
            return True
        return bool(set(self.name) & set("*?[")) and fnmatchcase(name, self.name)


def parse_age(text: str) -> timedelta:
    """
    Parse an age: a number and a unit (``s``, ``m``, ``h``, ``d`` or ``w``), such as ``30d``.

    :raises InvalidArgument: *text* is none.
    """
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if match is None:
        raise InvalidArgument(f"{text!r} is no age: write a number and s, m, h, d or w, such as 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
