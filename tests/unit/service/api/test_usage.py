"""`GET /v3/models/{id}/usage`: the resources that a training used over time."""

from __future__ import annotations

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.error import ErrorReport
from airflow_dlaas.contract.usage_history import DEFAULT_USAGE_POINTS
from tests.unit.service.api.test_models import end, start

LINE = '{{"at":"2026-03-01T12:00:{:02}.000Z","memory_bytes":{}}}\n'


def test_usage_history_is_kept_after_the_end_until_the_training_is_deleted(service) -> None:
    training_id = service.submit()
    call = calls.get_usage_history(training_id, points=5)
    assert call.parse(service.client.get(call.path).content).series == ()
    start(service, training_id)
    service.job(training_id).usage_history.write_text("".join(LINE.format(one, one * 10) for one in range(50)))
    running = call.parse(service.client.get(call.path).content)
    assert (len(running.series[0].points), running.complete) == (4, False)
    end(service, training_id, exit_code=0)
    ended = call.parse(service.client.get(call.path).content)
    assert (ended.series, ended.complete) == (running.series, True)
    whole = service.client.get(f"/v3/models/{training_id}/usage").json()["series"]
    assert len(whole[0]["points"]) == 50 < DEFAULT_USAGE_POINTS
    service.client.delete(f"/v3/models/{training_id}")
    assert service.client.get(call.path).status_code == 404


@pytest.mark.parametrize("points", ["1", "5001", "many", ""])
def test_invalid_number_of_points_is_refused(service, points: str) -> None:
    reply = service.client.get(f"/v3/models/{service.submit()}/usage?points={points}")
    (problem,) = ErrorReport.model_validate(reply.json()).errors
    assert (reply.status_code, problem.code, problem.message.partition(":")[0]) == (
        400,
        "invalid_query_parameter_value",
        "points",
    )
