"""Metrics that a definition describes by regular expressions for its log (extension `metric_definitions`)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field, field_validator

from airflow_dlaas.contract.base import RequestModel

MAX_METRIC_DEFINITIONS = 64
MAX_NAME_LENGTH = 100
MAX_REGEX_LENGTH = 500

STEP_GROUP = "step"
"""The name of the group with the iteration, for lines that have one."""


class MetricDefinition(RequestModel):
    """
    A metric: its name, and the regular expression that finds its value in a line of the log.

    The first group that is not named ``step`` has the number. The syntax is RE2's: that of Python without look-around
    and back references, which a service refuses.
    """

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    regex: str = Field(min_length=1, max_length=MAX_REGEX_LENGTH)

    @field_validator("name")
    @classmethod
    def _require_printable_name(cls, value: str) -> str:
        if not value.isprintable() or value != value.strip():
            raise ValueError("must be printable, without a space at either end")
        return value

    @field_validator("regex")
    @classmethod
    def _require_value_group(cls, value: str) -> str:
        try:
            found = re.compile(value)
        except (re.error, RecursionError, OverflowError):
            raise ValueError("is not a regular expression") from None
        if value_group(found.groups, found.groupindex) is None:
            raise ValueError(r"must have a group for the number: loss=([\d.]+)")
        return value


def value_group(group_count: int, group_index: Mapping[str, int]) -> int | None:
    """Return the number of the group with the value; None if there is no such group."""
    return next((one for one in range(1, group_count + 1) if one != group_index.get(STEP_GROUP)), None)
