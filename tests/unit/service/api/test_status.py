"""What a status tells that the page's does not: that a cancel was asked for, and what keeps the command apart."""

from __future__ import annotations

import pytest

from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.service.job_files import PhaseFile
from airflow_dlaas.service.store.base import TrainingOutcome


@pytest.fixture
def run(service) -> str:
    """A started training."""
    made = service.submit()
    service.store.reserve_gpus(made, ["virtual:0"], service.clock())
    return made


def told(service, run: str):
    """Both ways to ask, which say the same."""
    one = service.client.get(f"/v3/models/{run}").json()
    (listed,) = service.client.get("/v3/models").json()["resources"]
    assert listed["entity"]["status"] == one["entity"]["status"]
    return Training.model_validate(one, extra="ignore").status


def cancel(service, run: str) -> None:
    patch = [{"op": "replace", "path": "/status/state", "value": "canceled"}]
    assert service.client.patch(f"/v3/models/{run}", json=patch).status_code < 300


def test_a_cancel_that_was_asked_for_shows_until_the_end(service, run: str) -> None:
    assert told(service, run).cancel_requested is None
    cancel(service, run)
    assert (told(service, run).state, told(service, run).cancel_requested) == (TrainingState.PENDING, True)
    service.store.finish(run, TrainingOutcome(TrainingState.CANCELED, service.clock()))
    assert (told(service, run).state, told(service, run).cancel_requested) == (TrainingState.CANCELED, None)


def test_a_cancel_of_what_waits_is_its_end_at_once(service) -> None:
    waiting = service.submit()
    cancel(service, waiting)
    assert (told(service, waiting).state, told(service, waiting).cancel_requested) == (TrainingState.CANCELED, None)


def test_isolation_is_told_by_the_job_while_it_runs_and_by_the_store_for_ever(service, run: str) -> None:
    job = service.job(run)
    assert told(service, run).isolation is None
    for mark in ("{broken", '{"phase": "loading", "since": "2026-03-01T12:00:00Z"}'):
        job.phase.write_text(mark)
        assert told(service, run).isolation is None
    mark = PhaseFile(phase=Phase.PROCESSING, since=service.clock(), isolation="bubblewrap")
    job.phase.write_text(mark.model_dump_json())
    assert told(service, run).isolation == "bubblewrap"
    service.store.record_progress(run, TrainingState.RUNNING, Phase.PROCESSING, service.clock())
    service.store.finish(
        run, TrainingOutcome(TrainingState.COMPLETED, service.clock(), exit_code=0, isolation="bubblewrap")
    )
    job.phase.unlink()
    assert told(service, run).isolation == "bubblewrap"


def test_one_that_ended_before_it_came_to_that_tells_nothing_of_it(service, run: str) -> None:
    service.store.finish(run, TrainingOutcome(TrainingState.ERROR, service.clock()))
    assert told(service, run).isolation is None
