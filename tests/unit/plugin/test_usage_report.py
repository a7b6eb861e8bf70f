"""The GPU-hours in the list of all trainings."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_dlaas.client.calls import Call
from airflow_dlaas.contract.usage_report import UsageGrouping, UsageReport, UsageRow, UsageTotal, WastedHours
from airflow_dlaas.exceptions import NotFound
from tests.unit.plugin.page_requests import Pages

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)


def row(name: str, hours: float, **wasted: float) -> UsageRow:
    return UsageRow(name=name, trainings=1, gpu_hours=hours, wasted=WastedHours(**wasted))


REPORT = UsageReport(
    since=AT,
    until=AT,
    by=UsageGrouping.DAG,
    rows=(row("secret", 4.0, failed=1.0), row("nightly", 3.0, canceled=0.5), row("", 2.0, failed=2.0)),
    total=UsageTotal(trainings=3, gpu_hours=9.0, wasted=WastedHours(failed=3.0, canceled=0.5)),
)


def answer_with(pages: Pages, monkeypatch: pytest.MonkeyPatch, report: UsageReport | None) -> list[str]:
    """Let the service send *report*, or refuse it; return the paths that it received."""
    paths: list[str] = []

    def send(_conn_id: str, call: Call[Any]) -> UsageReport:
        paths.append(call.path)
        if report is None:
            raise NotFound("There is no such path")
        return report

    monkeypatch.setattr(pages.service, "send", send)
    return paths


def test_rows_of_dags_that_the_user_may_not_read_have_no_name(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = answer_with(pages, monkeypatch, REPORT)
    document = pages.http.get("/api/usage_report").json()
    assert paths == ["/v3/usage_report?by=dag"]
    (report,) = document["reports"]
    assert [(one["name"], one["gpu_hours"], one["wasted_hours"]) for one in report["rows"]] == [
        ("nightly", 3.0, 0.5),
        (None, 6.0, 3.0),
    ]
    assert report["rows"][1]["wasted"] == [{"cause": "failed", "hours": 3.0}]
    assert (report["connection"], report["total"]["gpu_hours"], document["service_errors"]) == ("c", 9.0, [])
    assert "secret" not in str(document)


def test_rows_by_state_are_all_shown_and_users_are_no_choice(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    states = REPORT.model_copy(update={"rows": (row("error", 4.0),)})
    assert answer_with(pages, monkeypatch, states) == []
    (report,) = pages.http.get("/api/usage_report", params={"by": "state"}).json()["reports"]
    assert [one["name"] for one in report["rows"]] == ["error"]
    assert pages.http.get("/api/usage_report", params={"by": "user"}).status_code == 422


def test_service_without_the_report_is_left_out_and_one_that_does_not_answer_is_named(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages.service.is_down = True
    assert pages.http.get("/api/usage_report").json() == {
        "reports": [],
        "service_errors": ["c: The service of connection 'c' does not answer"],
    }
    answer_with(pages, monkeypatch, None)
    assert pages.http.get("/api/usage_report").json() == {"reports": [], "service_errors": []}


def test_user_who_may_read_no_training_causes_no_request(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = answer_with(pages, monkeypatch, REPORT)
    pages.airflow.readable["anna"] = set()
    assert (pages.http.get("/api/usage_report").json()["reports"], paths) == ([], [])
