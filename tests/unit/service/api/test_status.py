"""Extensions of the status: the request to cancel, and the isolation of the command."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.service.job_reports import ExitFile, PhaseFile
from airflow_dlaas.service.stall_report import Stall, StallCause, StallsFile
from airflow_dlaas.service.store.records import TrainingOutcome


@pytest.fixture
def run(service) -> str:
    """Submit and start a training; return its id."""
    made = service.submit()
    service.store.reserve_gpus(made, ["virtual:0"], service.clock())
    return made


def reported_status(service, run: str):
    """Return the status; check that the training and the list contain the same."""
    one = service.client.get(f"/v3/models/{run}").json()
    (listed,) = service.client.get("/v3/models").json()["resources"]
    assert listed["entity"]["status"] == one["entity"]["status"]
    return Training.model_validate(one, extra="ignore").status


def cancel(service, run: str) -> None:
    patch = [{"op": "replace", "path": "/status/state", "value": "canceled"}]
    assert service.client.patch(f"/v3/models/{run}", json=patch).status_code < 300


def test_cancel_request_is_reported_until_the_end(service, run: str) -> None:
    assert reported_status(service, run).cancel_requested is None
    cancel(service, run)
    assert (reported_status(service, run).state, reported_status(service, run).cancel_requested) == (
        TrainingState.PENDING,
        True,
    )
    service.store.finish(run, TrainingOutcome(TrainingState.CANCELED, service.clock()))
    assert (reported_status(service, run).state, reported_status(service, run).cancel_requested) == (
        TrainingState.CANCELED,
        None,
    )


def test_cancel_of_a_queued_training_is_final_at_once(service) -> None:
    waiting = service.submit()
    cancel(service, waiting)
    assert (reported_status(service, waiting).state, reported_status(service, waiting).cancel_requested) == (
        TrainingState.CANCELED,
        None,
    )


def test_isolation_is_reported_from_the_job_and_later_from_the_store(service, run: str) -> None:
    job = service.job(run)
    assert reported_status(service, run).isolation is None
    for content in ("{broken", '{"phase": "loading", "since": "2026-03-01T12:00:00Z"}'):
        job.phase.write_text(content)
        assert reported_status(service, run).isolation is None
    phase_file = PhaseFile(phase=Phase.PROCESSING, since=service.clock(), isolation="bubblewrap")
    job.phase.write_text(phase_file.model_dump_json())
    assert reported_status(service, run).isolation == "bubblewrap"
    service.store.record_progress(run, TrainingState.RUNNING, Phase.PROCESSING, service.clock())
    service.store.finish(
        run, TrainingOutcome(TrainingState.COMPLETED, service.clock(), exit_code=0, isolation="bubblewrap")
    )
    job.phase.unlink()
    assert reported_status(service, run).isolation == "bubblewrap"


def test_training_that_ended_early_reports_no_isolation(service, run: str) -> None:
    service.store.finish(run, TrainingOutcome(TrainingState.ERROR, service.clock()))
    assert reported_status(service, run).isolation is None


def test_warnings_of_the_watchdog_are_reported_while_the_training_runs_and_after_its_end(service, run: str) -> None:
    job, since = service.job(run), service.clock()
    stall = Stall(cause=StallCause.SILENT, text="silent", since=since)
    job.stalls.write_text(StallsFile(stalls=(stall,)).model_dump_json())
    assert reported_status(service, run).warnings == ("silent",)
    ended = stall.model_copy(update={"until": since + timedelta(seconds=7)})
    job.stalls.write_text(StallsFile(stalls=(ended,)).model_dump_json())
    assert reported_status(service, run).stalled_seconds == 7
    exit_file = ExitFile(state=TrainingState.COMPLETED, warnings=("not stored",), finished_at=service.clock())
    job.exit.write_text(exit_file.model_dump_json())
    assert reported_status(service, run).warnings == ("silent",)
    service.store.finish(run, TrainingOutcome(TrainingState.ERROR, service.clock()))
    assert (reported_status(service, run).warnings, reported_status(service, run).stalled_seconds) == (
        ("silent", "not stored"),
        7,
    )
    job.stalls.write_text("{broken")
    assert (reported_status(service, run).warnings, reported_status(service, run).stalled_seconds) == (
        ("not stored",),
        None,
    )
