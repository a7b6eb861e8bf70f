"""Metrics whose lines of the log a definition describes itself (ours; `Extensions.metric_definitions`)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field, field_validator

from airflow_dlaas.contract.base import RequestModel

MAX_METRIC_DEFINITIONS = 64
MAX_NAME_LENGTH = 100
MAX_REGEX_LENGTH = 500

STEP_GROUP = "step"
"""Name of the group that holds the iteration, where a line tells it."""


class MetricDefinition(RequestModel):
    """
    A metric by its name, and the regular expression that finds its value in a line of the log.

    The first group that is not called ``step`` holds the number. Expressions are RE2's: those of Python without
    look-around and back references, which a service refuses when it is handed them.
    """

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    regex: str = Field(min_length=1, max_length=MAX_REGEX_LENGTH)

    @field_validator("name")
    @classmethod
    def _require_printable_name(cls, value: str) -> str:
        if not value.isprintable() or value != value.strip():
            raise ValueError("must be printable, with no blank at either end")
        return value

    @field_validator("regex")
    @classmethod
    def _require_value_group(cls, value: str) -> str:
        try:
            found = re.compile(value)
        except (re.error, RecursionError, OverflowError):
            raise ValueError("is no regular expression") from None
        if value_group(found.groups, found.groupindex) is None:
            raise ValueError(r"must have a group for the number: loss=([\d.]+)")
        return value


def value_group(group_count: int, group_index: Mapping[str, int]) -> int | None:
    """Tell which group of an expression holds the number; None where none does."""
    return next((one for one in range(1, group_count + 1) if one != group_index.get(STEP_GROUP)), None)
