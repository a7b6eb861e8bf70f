"""`PUT /v3/models/{id}/acknowledgement`: the client has taken the result of a completed training."""

from __future__ import annotations

import pytest

from airflow_dlaas.contract.error import ErrorReport
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.service.store.records import TrainingOutcome


def ended(service, state: TrainingState = TrainingState.COMPLETED) -> str:
    run = service.submit()
    service.store.reserve_gpus(run, ["virtual:0"], service.clock())
    service.store.finish(run, TrainingOutcome(state, service.clock()))
    return run


def acknowledge(service, run: str):
    return service.client.put(f"/v3/models/{run}/acknowledgement")


def shown(service, run: str):
    """The acknowledgement in the training's status; list and changes contain the same."""
    one = service.client.get(f"/v3/models/{run}").json()
    for path in ("/v3/models", "/v3/models?after=0"):
        (listed,) = service.client.get(path).json()["resources"]
        assert listed["entity"] == one["entity"]
    assert ("acknowledged_at" in one["entity"]["status"]) is (
        Training.model_validate(one, extra="ignore").status.acknowledged_at is not None
    )
    return one["entity"]["status"].get("acknowledged_at")


def test_acknowledgement_reports_the_time_of_the_first_one(service) -> None:
    run = ended(service)
    assert shown(service, run) is None
    reply = acknowledge(service, run)
    assert (reply.status_code, reply.content) == (204, b"")
    assert shown(service, run) == "2026-03-01T12:00:00.000Z"
    service.clock.advance(seconds=5)
    assert acknowledge(service, run).status_code == 204
    assert shown(service, run) == "2026-03-01T12:00:00.000Z"


def test_acknowledgement_is_not_a_change(service) -> None:
    run = ended(service)
    cursor = service.client.get("/v3/models?after=now").json()["cursor"]
    acknowledge(service, run)
    assert service.client.get(f"/v3/models?after={cursor}").json() == {"resources": [], "cursor": cursor}


@pytest.mark.parametrize("state", [None, TrainingState.ERROR, TrainingState.CANCELED])
def test_acknowledgement_requires_a_completed_training(service, state: TrainingState | None) -> None:
    run = service.submit() if state is None else ended(service, state)
    reply = acknowledge(service, run)
    assert reply.status_code == 409
    (problem,) = ErrorReport.model_validate(reply.json()).errors
    assert problem.code == "conflict"
    assert str(state or TrainingState.PENDING) in problem.message
    assert shown(service, run) is None


def test_acknowledgement_of_an_unknown_or_foreign_training_is_not_found(service) -> None:
    run = ended(service)
    assert acknowledge(service, "training-none").status_code == 404
    service.client.headers["Authorization"] = f"Bearer {service.log_in('other')}"
    assert acknowledge(service, run).status_code == 404
    assert service.store.get_training("dlaas", run).acknowledged_at is None
