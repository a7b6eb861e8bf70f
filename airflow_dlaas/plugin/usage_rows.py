"""Builds the rows of used GPU-hours for the page. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from airflow_dlaas.contract.usage_report import UsageReport, UsageTotal
from airflow_dlaas.plugin.usage_models import ServiceUsage, UsageHours, WastedCause


def service_usage(conn_id: str, report: UsageReport, readable_names: Collection[str] | None) -> ServiceUsage:
    """
    Build the table of one service.

    :param readable_names: the names that the user may read; rows of others are summed up in one row without a name.
        None: all of them.
    """
    named = [row for row in report.rows if readable_names is None or row.name in readable_names]
    others = [row for row in report.rows if readable_names is not None and row.name not in readable_names]
    rows = [_usage_hours(row.name, [row]) for row in named]
    return ServiceUsage(
        connection=conn_id,
        since=report.since,
        rows=[*rows, _usage_hours(None, others)] if others else rows,
        total=_usage_hours(None, [report.total]),
    )


def _usage_hours(name: str | None, parts: Iterable[UsageTotal]) -> UsageHours:
    parts = tuple(parts)
    causes = {
        cause: sum(getattr(part.wasted, cause) for part in parts) for cause in ("failed", "canceled", "lost", "stalled")
    }
    return UsageHours(
        name=name,
        trainings=sum(part.trainings for part in parts),
        gpu_hours=sum(part.gpu_hours for part in parts),
        wasted_hours=sum(causes.values()),
        wasted=[WastedCause(cause=cause, hours=hours) for cause, hours in causes.items() if hours > 0],
    )
