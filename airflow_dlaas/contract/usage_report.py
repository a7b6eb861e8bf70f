"""The GPU-hours of trainings (extension `usage_report`): who used the GPUs, for what, and which part was wasted."""

from __future__ import annotations

from enum import Enum

from pydantic import Field

from airflow_dlaas.contract.base import ApiList, ApiModel, Timestamp

DEFAULT_REPORT_DAYS = 30
"""Days before its end that a report covers, unless the request has another start."""


class UsageGrouping(str, Enum):
    """What the rows of a report stand for."""

    USER = "user"
    DAG = "dag"
    STATE = "state"

    def __str__(self) -> str:
        return self.value


class WastedHours(ApiModel):
    """
    GPU-hours without a result, by cause. An hour has one cause at most.

    A training that its watchdog stopped counts as stalled, and one that completed does with the time in which its
    watchdog found no work.
    """

    failed: float = 0.0
    """Trainings that ended in state `error`, and attempts that another one followed, but those below."""
    canceled: float = 0.0
    lost: float = 0.0
    """Attempts whose learner was lost: the machine was restarted, or a process was killed."""
    stalled: float = 0.0

    @property
    def total(self) -> float:
        """The sum of all causes."""
        return self.failed + self.canceled + self.lost + self.stalled


class UsageTotal(ApiModel):
    """The GPU-hours of several trainings."""

    trainings: int = 0
    """Trainings that held a GPU slot in the time of the report, also if they hold none now."""
    gpu_hours: float = 0.0
    """Slots times hours, from the reservation of the slots to their release."""
    wasted: WastedHours = Field(default_factory=WastedHours)


class UsageRow(UsageTotal):
    """The GPU-hours of one user, DAG or state."""

    name: str
    """The user, the DAG or the state; empty for trainings whose DAG is not known."""


class UsageReport(ApiModel):
    """The GPU-hours from ``from`` (inclusive) to ``to`` (exclusive); a training counts with its part in that time."""

    since: Timestamp = Field(alias="from")
    until: Timestamp = Field(alias="to")
    by: UsageGrouping
    rows: ApiList[UsageRow] = ()
    """The most GPU-hours first."""
    total: UsageTotal
