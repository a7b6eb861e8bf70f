"""Route of the report of GPU-hours (an extension: `Extensions.usage_report`)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from airflow_dlaas.contract.usage_report import DEFAULT_REPORT_DAYS, UsageGrouping, UsageReport
from airflow_dlaas.exceptions import InvalidRequest
from airflow_dlaas.service.api.dependencies import Deps, Owner
from airflow_dlaas.service.api.request_bodies import json_response
from airflow_dlaas.service.api.usage_totals import Interval, make_report

router = APIRouter(prefix="/v3", tags=["service"])

TimeText = Annotated[str | None, Query(max_length=40)]


@router.get("/usage_report", response_model=UsageReport, summary="Get the GPU-hours of a time")
def get_usage_report(
    deps: Deps,
    owner: Owner,
    since: Annotated[
        TimeText, Query(alias="from", description="Start, inclusive; without it, 30 days before `to`")
    ] = None,
    until: Annotated[TimeText, Query(alias="to", description="End, exclusive; without it, now")] = None,
    by: Annotated[UsageGrouping, Query(description="What the rows stand for")] = UsageGrouping.USER,
) -> Response:
    """
    Return the GPU-hours from `from` to `to` by user, DAG or state, and which part was wasted (extension).

    A time is a date (its first moment in UTC) or a time by ISO 8601. A user gets the own trainings, and the user with
    whose name the service was set up those of all users. Deleted trainings count too.
    """
    now = deps.clock()
    end = _parse_time(until, "to") if until is not None else now
    try:
        start = _parse_time(since, "from") if since is not None else end - timedelta(days=DEFAULT_REPORT_DAYS)
    except OverflowError:
        raise _invalid("to", "must be a later time") from None
    if start >= end:
        raise _invalid("from", "must be before `to`")
    records = deps.store.list_usage(None if owner == deps.admin else owner, start, end)
    return json_response(make_report(records, Interval(start, end, now), by))


def _parse_time(text: str, name: str) -> datetime:
    """
    Return the time in *text*; without an offset, it is in UTC.

    :raises InvalidRequest: it is none, or UTC cannot represent it; the error names the query parameter.
    """
    try:
        # Python 3.10 reads no Z.
        moment = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise _invalid(name, "must be a date or a time such as 2026-03-01 or 2026-03-01T12:00:00Z") from None


def _invalid(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(f"{name}: {message}", code="invalid_query_parameter_value", target=name)
