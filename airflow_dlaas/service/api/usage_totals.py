"""Sums the use of GPU slots in an interval. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.usage_report import UsageGrouping, UsageReport, UsageRow, UsageTotal, WastedHours
from airflow_dlaas.service.store.usage_record import UsageRecord

LOST_CODE = "S100"
"""The error code of an attempt that was started and whose learner was lost."""

STALLED_CODE = "C203"
"""The error code of a training that its watchdog stopped."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A time of a report, as far as it has passed at `now`."""

    since: datetime
    until: datetime
    now: datetime

    def slot_seconds(self, record: UsageRecord) -> float:
        """Return slots times seconds that *record* has in this interval; slots that are held count until now."""
        end = min(self.until, record.released_at or self.now)
        return record.slots * max(0.0, (end - max(self.since, record.started_at)).total_seconds())

    def has(self, record: UsageRecord) -> bool:
        """Return whether the attempt held its slots at any moment of this interval."""
        return record.started_at < self.until and (record.released_at or self.now) > self.since


def make_report(records: Sequence[UsageRecord], interval: Interval, by: UsageGrouping) -> UsageReport:
    """
    Return the report of *records* with a row for each user, DAG or state, and one total.

    A training with several attempts counts once in each row that it is in, and once in the total.
    """
    names: dict[str, list[UsageRecord]] = {}
    in_interval = [record for record in records if interval.has(record)]
    for record in in_interval:
        names.setdefault(_row_name(record, by), []).append(record)
    rows = (UsageRow(name=name, **dict(_sum(group, interval))) for name, group in names.items())
    return UsageReport(
        since=interval.since,
        until=interval.until,
        by=by,
        rows=tuple(sorted(rows, key=lambda row: (-row.gpu_hours, row.name))),
        total=_sum(in_interval, interval),
    )


def _sum(records: Sequence[UsageRecord], interval: Interval) -> UsageTotal:
    used, wasted = 0.0, dict.fromkeys(WastedHours.model_fields, 0.0)
    for record in records:
        hours = interval.slot_seconds(record) / 3600
        used += hours
        cause, share = _waste(record)
        if cause is not None:
            wasted[cause] += hours * share
    trainings = len({record.training_id for record in records})
    return UsageTotal(trainings=trainings, gpu_hours=used, wasted=WastedHours(**wasted))


def _waste(record: UsageRecord) -> tuple[str | None, float]:
    """
    Return the cause of an attempt's waste, and the wasted share of its hours.

    An attempt that another one followed ended as an error, also if the training completes: what its checkpoints kept of
    it is not known here.

    The stalled time of a completed training is spread evenly over its hours, so that the parts of it in several
    intervals have the right sum.
    """
    if record.state == str(TrainingState.CANCELED):
        return "canceled", 1.0
    if record.state == str(TrainingState.ERROR):
        return {LOST_CODE: "lost", STALLED_CODE: "stalled"}.get(record.error_code or "", "failed"), 1.0
    if record.released_at is None or record.stalled_seconds <= 0:
        return None, 0.0
    seconds = (record.released_at - record.started_at).total_seconds()
    return "stalled", min(1.0, record.stalled_seconds / seconds) if seconds > 0 else 0.0


def _row_name(record: UsageRecord, by: UsageGrouping) -> str:
    match by:
        case UsageGrouping.USER:
            return record.owner
        case UsageGrouping.DAG:
            return record.dag_id or ""
        case UsageGrouping.STATE:
            return record.state
