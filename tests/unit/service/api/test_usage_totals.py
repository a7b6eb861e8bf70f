"""Sums of used GPU slots."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.contract.usage_report import UsageGrouping, UsageReport, WastedHours
from airflow_dlaas.service.api.usage_totals import Interval, make_report
from airflow_dlaas.service.store.usage_record import UsageRecord

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


HOUR = UsageRecord(
    "t", "me", "digits", "train", 2, at(0), at(1), at(2), at(2), "completed", 0, None, stalled_seconds=0.0
)
"""Two slots for one hour."""


def report(
    *records: UsageRecord, since: float = 0, until: float = 100, now: float = 100, by: str = "user"
) -> UsageReport:
    return make_report(records, Interval(at(since), at(until), at(now)), UsageGrouping(by))


def test_hours_are_slots_times_time_in_the_interval() -> None:
    assert report(HOUR).total.gpu_hours == 2
    assert report(HOUR, since=1.25).total.gpu_hours == 1.5
    assert report(HOUR, until=1.25).total.gpu_hours == 0.5
    assert report(HOUR, since=2).total.trainings == report(HOUR, until=1).total.trainings == 0


def test_slots_that_are_held_count_until_now_and_not_beyond_the_interval() -> None:
    running = replace(HOUR, released_at=None, finished_at=None, state="running")
    assert report(running, now=4).total.gpu_hours == 6
    assert report(running, until=3, now=4).total.gpu_hours == 4
    assert report(running, until=9, now=0.5).total.gpu_hours == 0


def test_rows_are_those_of_users_dags_or_states_the_most_hours_first() -> None:
    records = (
        HOUR,
        replace(HOUR, training_id="u", owner="you", dag_id=None, slots=1),
        replace(HOUR, training_id="v", owner="you", state="canceled", slots=4),
        replace(HOUR, training_id="w", owner="zoe", slots=0),
    )
    found = {
        by: [(row.name, row.trainings, row.gpu_hours) for row in report(*records, by=by).rows] for by in UsageGrouping
    }
    assert found == {
        UsageGrouping.USER: [("you", 2, 5.0), ("me", 1, 2.0), ("zoe", 1, 0.0)],
        UsageGrouping.DAG: [("digits", 3, 6.0), ("", 1, 1.0)],
        UsageGrouping.STATE: [("canceled", 1, 4.0), ("completed", 3, 3.0)],
    }


@pytest.mark.parametrize(
    ("changes", "wasted"),
    [
        ({}, WastedHours()),
        ({"state": "error", "error_code": "C201"}, WastedHours(failed=2)),
        ({"state": "error"}, WastedHours(failed=2)),
        ({"state": "error", "error_code": "S100"}, WastedHours(lost=2)),
        ({"state": "error", "error_code": "C203", "stalled_seconds": 60.0}, WastedHours(stalled=2)),
        ({"state": "canceled", "stalled_seconds": 60.0}, WastedHours(canceled=2)),
        ({"stalled_seconds": 900.0}, WastedHours(stalled=0.5)),
        ({"stalled_seconds": 9000.0}, WastedHours(stalled=2)),
        ({"released_at": at(1), "stalled_seconds": 5.0}, WastedHours()),
    ],
)
def test_each_wasted_hour_has_one_cause(changes: dict[str, object], wasted: WastedHours) -> None:
    assert report(replace(HOUR, **changes)).total.wasted == wasted


def test_training_with_several_attempts_counts_once_with_the_hours_of_each() -> None:
    lost = replace(HOUR, state="error", error_code="S100")
    failed = replace(HOUR, attempt=2, started_at=at(3), released_at=at(4), state="error", error_code="C201")
    last = replace(HOUR, attempt=3, started_at=at(5), released_at=at(7))
    found = report(lost, failed, last)
    assert (found.total.trainings, found.total.gpu_hours) == (1, 8)
    assert found.total.wasted == WastedHours(lost=2, failed=2)
    assert [(row.name, row.trainings, row.gpu_hours) for row in found.rows] == [("me", 1, 8)]
    by_state = report(lost, failed, last, by="state")
    assert [(row.name, row.trainings, row.gpu_hours) for row in by_state.rows] == [
        ("completed", 1, 4),
        ("error", 1, 4),
    ]
    assert by_state.total.trainings == 1
    assert report(lost, failed, last, since=4.5, until=6).total == report(last, since=4.5, until=6).total


RECORDS = st.builds(
    lambda start, held, **values: UsageRecord(
        released_at=None if held is None else at(start + held), started_at=at(start), finished_at=None, **values
    ),
    start=st.floats(0, 50),
    held=st.none() | st.floats(0, 50),
    training_id=st.sampled_from("tu"),
    attempt=st.integers(1, 3),
    owner=st.sampled_from("ab"),
    dag_id=st.sampled_from(["d", "e", None]),
    task_id=st.none(),
    slots=st.integers(0, 8),
    submitted_at=st.just(NOW),
    state=st.sampled_from(["pending", "running", "completed", "error", "canceled", "unknown"]),
    exit_code=st.none(),
    error_code=st.sampled_from([None, "C201", "C203", "S100"]),
    stalled_seconds=st.floats(0, 1e6),
)


@given(st.lists(RECORDS, max_size=20), st.sampled_from(UsageGrouping), st.floats(1, 99))
def test_sums_are_slots_times_time_whatever_the_rows_and_the_intervals(
    records: list[UsageRecord], by: UsageGrouping, middle: float
) -> None:
    whole = report(*records, by=by)
    held = [((one.released_at or at(100)) - one.started_at).total_seconds() * one.slots for one in records]
    assert whole.total.gpu_hours == pytest.approx(sum(held) / 3600)
    assert sum(row.gpu_hours for row in whole.rows) == pytest.approx(whole.total.gpu_hours)
    assert sum(row.wasted.total for row in whole.rows) == pytest.approx(whole.total.wasted.total)
    assert 0 <= whole.total.wasted.total <= whole.total.gpu_hours * (1 + 1e-9)
    parts = report(*records, until=middle, by=by), report(*records, since=middle, by=by)
    assert sum(part.total.gpu_hours for part in parts) == pytest.approx(whole.total.gpu_hours)
    assert sum(part.total.wasted.total for part in parts) == pytest.approx(whole.total.wasted.total)
