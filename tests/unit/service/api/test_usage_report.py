"""`GET /v3/usage_report`: the GPU-hours by user, DAG or state."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.error import ErrorReport
from airflow_dlaas.contract.task_tag import TaskTag
from airflow_dlaas.contract.usage_report import UsageGrouping, UsageReport
from tests.unit.service.api.conftest import PASSWORDS
from tests.unit.service.api.test_models import end, start

ADMIN = pytest.mark.parametrize("service", [{"admin": "dlaas"}], indirect=True)


def get_report(service, **query: Any) -> UsageReport:
    call = calls.get_usage_report(**query)
    reply = service.client.get(call.path)
    assert reply.status_code == 200, reply.text
    return call.parse(reply.content)


def log_in_as(service, user: str) -> None:
    credentials = b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
    token = service.client.get("/v3/identity/token", headers={"Authorization": f"Basic {credentials}"}).json()["token"]
    service.client.headers["Authorization"] = f"Bearer {token}"


def test_training_counts_while_it_runs_and_after_its_deletion(service) -> None:
    assert get_report(service).rows == ()
    tag = TaskTag("digits", "train")
    training_id = service.submit(model_definition__description=f"words {tag}")
    start(service, training_id)
    service.clock.advance(hours=2)
    running = get_report(service, by=UsageGrouping.DAG)
    assert [(row.name, row.trainings, row.gpu_hours) for row in running.rows] == [("digits", 1, 2.0)]
    end(service, training_id)
    service.clock.advance(hours=1)
    service.client.delete(f"/v3/models/{training_id}")
    ended = get_report(service, by=UsageGrouping.STATE)
    assert [(row.name, row.gpu_hours, row.wasted.total) for row in ended.rows] == [("completed", 2.0, 0.0)]
    assert (ended.until, (ended.until - ended.since).days) == (service.clock(), 30)
    assert get_report(service, since="2026-03-01T13:00:00Z").total.gpu_hours == 1.0
    assert get_report(service, until="2026-03-01T14:30:00+02:00").total.gpu_hours == 0.5
    assert get_report(service, since="2026-03-02", until="2026-03-03T00:00:00").total.gpu_hours == 0.0


@ADMIN
def test_user_gets_the_own_trainings_and_the_services_own_user_those_of_all(service) -> None:
    start(service, service.submit())
    log_in_as(service, "other")
    theirs = service.submit()
    service.store.reserve_gpus(theirs, ["virtual:1"], service.clock())
    service.clock.advance(hours=1)
    assert [row.name for row in get_report(service).rows] == ["other"]
    assert get_report(service).total.trainings == 1
    log_in_as(service, "dlaas")
    assert [row.name for row in get_report(service).rows] == ["dlaas", "other"]


def test_without_a_user_of_the_service_each_user_gets_the_own_trainings(service) -> None:
    start(service, service.submit())
    log_in_as(service, "other")
    assert get_report(service).rows == ()


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("from=yesterday", "from"),
        ("to=", "to"),
        ("to=2026-13-01", "to"),
        ("from=0001-01-01T00:00:00%2B14:00", "from"),
        ("to=0001-01-02", "to"),
        ("from=2026-03-02&to=2026-03-02", "from"),
        ("from=2027-01-01", "from"),
        (f"from={'1' * 50}", "from"),
        ("by=task", "by"),
    ],
)
def test_error_names_the_query_parameter(service, query: str, name: str) -> None:
    reply = service.client.get(f"/v3/usage_report?{query}")
    assert reply.status_code == 400, reply.text
    (problem,) = ErrorReport.model_validate(reply.json()).errors
    assert (problem.code, problem.target.type, problem.target.name) == (  # type: ignore[union-attr]
        "invalid_query_parameter_value",
        "query",
        name,
    )
    assert problem.message.startswith(f"{name}: ")
