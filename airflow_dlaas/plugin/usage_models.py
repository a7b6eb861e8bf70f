"""The documents of the usage report that the plugin's API returns."""

from __future__ import annotations

from airflow_dlaas.contract.base import Timestamp
from airflow_dlaas.plugin.response_models import ResponseModel


class WastedCause(ResponseModel):
    """Wasted GPU-hours of one cause."""

    cause: str
    """``failed``, ``canceled``, ``lost`` or ``stalled``."""
    hours: float


class UsageHours(ResponseModel):
    """The GPU-hours of one DAG or state, or of several."""

    name: str | None
    """null for the sum of DAGs that the user may not read and of trainings without a DAG, and in a total."""
    trainings: int
    gpu_hours: float
    wasted_hours: float
    wasted: list[WastedCause]
    """The causes with hours."""


class ServiceUsage(ResponseModel):
    """The GPU-hours of one service."""

    connection: str
    since: Timestamp
    rows: list[UsageHours]
    """The most GPU-hours first; one without a name last."""
    total: UsageHours


class UsageReports(ResponseModel):
    """The GPU-hours of all services of the trainings that a user may read."""

    reports: list[ServiceUsage]
    service_errors: list[str]
    """Sentences about services that do not answer."""
