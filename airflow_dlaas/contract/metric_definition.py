"""Metrics whose lines of the log a definition describes itself (ours; `Extensions.metric_definitions`)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field, field_validator

from airflow_dlaas.contract.base import RequestModel

MOST_METRIC_DEFINITIONS = 64
NAME_LENGTH = 100
REGEX_LENGTH = 500

STEP = "step"
"""Name of the group that holds the iteration, where a line tells it."""


class MetricDefinition(RequestModel):
    """
    A metric by its name, and the regular expression that finds its value in a line of the log.

    The first group that is not called ``step`` holds the number. Expressions are RE2's: those of Python without
    look-around and back references, which a service refuses when it is handed them.
    """

    name: str = Field(min_length=1, max_length=NAME_LENGTH)
    regex: str = Field(min_length=1, max_length=REGEX_LENGTH)

    @field_validator("name")
    @classmethod
    def _can_be_shown(cls, value: str) -> str:
        if not value.isprintable() or value != value.strip():
            raise ValueError("must be printable, with no blank at either end")
        return value

    @field_validator("regex")
    @classmethod
    def _finds_a_number(cls, value: str) -> str:
        try:
            found = re.compile(value)
        except (re.error, RecursionError, OverflowError):
            raise ValueError("is no regular expression") from None
        if value_group(found.groups, found.groupindex) is None:
            raise ValueError(r"must have a group for the number: loss=([\d.]+)")
        return value


def value_group(groups: int, named: Mapping[str, int]) -> int | None:
    """Tell which group of an expression holds the number; None where none does."""
    return next((one for one in range(1, groups + 1) if one != named.get(STEP)), None)
