"""Attempts, checkpoints and what a training waits for, in its status."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from airflow_dlaas.contract.attempts import AttemptReport, CheckpointReport, ResumedFrom
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import PhaseTime, ResourceUsage
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.job_reports import CheckpointsFile, ExitFile, PhaseFile
from airflow_dlaas.service.store.records import TrainingOutcome
from airflow_dlaas.service.store.rows import training_to_row
from airflow_dlaas.service.store.tables import trainings
from tests.unit.service.api.test_models import end, start, status
from tests.unit.service.api.test_status import cancel, reported_status

OWN = ResumedFrom(training_id="t", attempt=1, number=7)


def change(service, run: str, **values: Any) -> None:
    """Change the record of a training in the database."""
    row = training_to_row(replace(service.store.get_training("dlaas", run), **values))
    with service.store._database.write_transaction() as connection:
        connection.execute(update(trainings).where(trainings.c.id == run).values(row))


def between_attempts(service, run: str, *, code: str = "S100", exit_code: int | None = None) -> None:
    """Bring a training that runs into the state between its first two attempts."""
    started_at = service.store.get_training("dlaas", run).started_at
    ended = AttemptReport(
        number=1, started_at=started_at, ended_at=service.clock(), code=code, reason="why", exit_code=exit_code
    )
    change(
        service, run, attempt=2, ended_attempts=(ended,), started_at=None, handle=None, gpus=(), phase=Phase.RECOVERING
    )


def begin_attempt(service, run: str) -> None:
    """Reserve the slots of the next attempt."""
    change(service, run, started_at=service.clock(), gpus=("virtual:1",))


def write_files(service, run: str, *, attempt: int, phase: Phase, before: tuple[PhaseTime, ...] = ()) -> None:
    """Write phase.json of an attempt, and checkpoints.json with a checkpoint of the first one."""
    job, newest = service.job(run), CheckpointReport(attempt=1, number=9, stored_at=service.clock(), files=3, bytes=64)
    file = PhaseFile(phase=phase, since=service.clock(), before=before, attempt=attempt)
    job.phase.write_text(file.model_dump_json())
    job.checkpoints.write_text(CheckpointsFile(newest=newest, resumed_from=OWN).model_dump_json())


@pytest.fixture
def run(service) -> str:
    made = service.submit()
    start(service, made)
    return made


def test_first_attempt_has_its_number_and_its_checkpoints_and_no_list_of_attempts(service, run: str) -> None:
    assert (reported_status(service, run).attempt, reported_status(service, run).checkpoint) == (1, None)
    write_files(service, run, attempt=1, phase=Phase.PROCESSING)
    found = reported_status(service, run)
    assert (found.attempts, found.resumed_from, found.waits_for) == (None, OWN, None)
    assert found.checkpoint == CheckpointReport(attempt=1, number=9, stored_at=service.clock(), files=3, bytes=64)
    assert status(service, run)["checkpoint"]["stored_at"] == "2026-03-01T12:00:00.000Z"


def test_training_between_two_attempts_is_recovering_and_has_a_position_in_the_queue(service, run: str) -> None:
    later = service.submit()
    write_files(service, run, attempt=1, phase=Phase.PROCESSING)
    usage = ResourceUsage(at=utc_now(), memory_bytes=1)
    service.job(run).usage.write_text(usage.model_dump_json())
    assert status(service, run)["usage"]["memory_bytes"] == 1
    service.clock.advance(seconds=60)
    between_attempts(service, run)
    found = status(service, run)
    assert (found["state"], found["phase"], found["queue_position"]) == ("running", "recovering", 0)
    assert status(service, later)["queue_position"] == 1
    listed = service.client.get("/v3/models").json()["resources"]
    assert [one["entity"]["status"]["queue_position"] for one in listed] == [1, 0]
    assert [one["phase"] for one in found["phases"]] == ["queued", "processing", "recovering"]
    assert found["phases"][-1]["since"] == "2026-03-01T12:01:00.000Z"
    assert found.keys().isdisjoint({"gpus", "usage", "resumed_from", "finished_at", "message"})
    assert found["attempts"] == [
        {
            "number": 1,
            "started_at": "2026-03-01T12:00:00.000Z",
            "ended_at": "2026-03-01T12:01:00.000Z",
            "code": "S100",
            "reason": "why",
        },
        {"number": 2},
    ]
    assert found["attempt"] == 2
    assert found["checkpoint"]["number"] == 9


def test_further_attempt_is_reported_with_its_checkpoint_once_it_has_restored_it(service, run: str) -> None:
    write_files(service, run, attempt=1, phase=Phase.PROCESSING)
    service.clock.advance(seconds=60)
    between_attempts(service, run, code="C201", exit_code=75)
    service.clock.advance(seconds=60)
    begin_attempt(service, run)
    assert reported_status(service, run).resumed_from is None
    first = PhaseTime(phase=Phase.PROCESSING, since=service.clock() - timedelta(seconds=120))
    write_files(service, run, attempt=2, phase=Phase.LOADING, before=(first,))
    assert reported_status(service, run).resumed_from is None
    write_files(service, run, attempt=2, phase=Phase.PROCESSING, before=(first,))
    found = reported_status(service, run)
    assert (found.resumed_from, found.queue_position) == (OWN, None)
    assert [one.phase for one in found.phases or ()] == [
        Phase.QUEUED,
        Phase.PROCESSING,
        Phase.RECOVERING,
        Phase.PROCESSING,
    ]
    first_attempt, second = found.attempts or ()
    assert (first_attempt.code, first_attempt.exit_code, first_attempt.resumed_from) == ("C201", 75, None)
    assert (second.number, second.started_at, second.resumed_from) == (2, service.clock(), OWN)


def test_phases_that_the_learner_reports_are_not_reported_twice(service, run: str) -> None:
    service.clock.advance(seconds=60)
    between_attempts(service, run)
    begin_attempt(service, run)
    before = (PhaseTime(phase=Phase.RECOVERING, since=service.clock()),)
    write_files(service, run, attempt=2, phase=Phase.LOADING, before=before)
    assert [str(one.phase) for one in reported_status(service, run).phases or ()] == ["queued", "recovering", "loading"]
    service.clock.advance(seconds=60)
    first = service.store.get_training("dlaas", run).ended_attempts
    second = AttemptReport(number=2, ended_at=service.clock(), code="S100", reason="why")
    change(service, run, attempt=3, ended_attempts=(*first, second), started_at=None, gpus=(), phase=Phase.RECOVERING)
    found = reported_status(service, run)
    assert [str(one.phase) for one in found.phases or ()] == ["queued", "recovering", "loading", "recovering"]
    assert [one.number for one in found.attempts or ()] == [1, 2, 3]


def test_last_attempt_has_the_outcome_of_the_training_and_the_folder_of_the_results(service, run: str) -> None:
    between_attempts(service, run)
    begin_attempt(service, run)
    write_files(service, run, attempt=2, phase=Phase.STORING)
    exit_file = ExitFile(state=TrainingState.ERROR, warnings=("not stored",), finished_at=service.clock(), attempt=2)
    service.job(run).exit.write_text(exit_file.model_dump_json())
    service.clock.advance(seconds=60)
    end(service, run, TrainingState.ERROR, exit_code=3, error=ErrorItem(code="C201", message="it failed"), stored=True)
    found = reported_status(service, run)
    last = AttemptReport(
        number=2,
        started_at=service.clock() - timedelta(seconds=60),
        ended_at=service.clock(),
        code="C201",
        reason="it failed",
        exit_code=3,
        resumed_from=OWN,
    )
    assert (found.attempts or ())[1] == last
    assert found.warnings == ("not stored",)
    reported = service.client.get(f"/v3/models/{run}").json()["entity"]["training_results"]
    assert reported["location"] == {"container": "tf_training_data_container", "model_location": f"{run}/attempt-2"}


def test_training_without_files_is_reported_from_its_record(service, run: str) -> None:
    between_attempts(service, run)
    found = reported_status(service, run)
    assert [(one.number, one.code) for one in found.attempts or ()] == [(1, "S100"), (2, None)]
    assert (found.checkpoint, found.metrics) == (None, ())


@pytest.mark.parametrize("content", ["{broken", "[]", '{"newest": {"attempt": "x"}}'])
def test_damaged_file_of_checkpoints_is_left_out(service, run: str, content: str) -> None:
    service.job(run).checkpoints.write_text(content)
    assert (reported_status(service, run).checkpoint, reported_status(service, run).attempt) == (None, 1)


def test_metrics_of_earlier_attempts_are_reported_while_the_next_one_waits(service, run: str) -> None:
    line = '{"timestamp":"2026-03-01T12:00:04Z","iteration":%d,"values":[{"name":"loss","value":%s}]%s}\n'
    service.job(run).metrics.write_text(line % (9, "0.5", ""))
    between_attempts(service, run)
    assert [one.iteration for one in reported_status(service, run).metrics] == [9]
    with service.job(run).metrics.open("a") as file:
        file.write(line % (7, "0.75", ',"attempt":2'))
    [newest] = reported_status(service, run).metrics
    assert (newest.iteration, newest.values[0].value, newest.attempt) == (7, 0.75, 2)


def test_warnings_of_an_attempt_stay_until_the_next_one_begins(service, run: str) -> None:
    exit_file = ExitFile(state=TrainingState.ERROR, warnings=("not stored",), finished_at=service.clock())
    service.job(run).exit.write_text(exit_file.model_dump_json())
    assert reported_status(service, run).warnings is None
    between_attempts(service, run, code="C201", exit_code=75)
    assert reported_status(service, run).warnings == ("not stored",)
    cancel(service, run)
    assert reported_status(service, run).warnings == ("not stored",)


def test_cancel_between_two_attempts_ends_the_training(service, run: str) -> None:
    between_attempts(service, run)
    cancel(service, run)
    found = reported_status(service, run)
    assert (found.state, found.phase, found.queue_position) == (TrainingState.CANCELED, None, None)
    assert [one.number for one in found.attempts or ()] == [1, 2]


def waiting(service) -> dict[str, Any]:
    """Return what each training waits for, by its id."""
    listed = service.client.get("/v3/models").json()["resources"]
    return {one["metadata"]["guid"]: one["entity"]["status"].get("waits_for") for one in listed}


def test_training_waits_for_the_end_of_the_one_that_it_resumes_from(service, run: str) -> None:
    next_run = service.submit(resume_from=run)
    after_it = service.submit(resume_from=next_run)
    assert waiting(service) == {after_it: next_run, next_run: run, run: None}
    assert status(service, next_run)["waits_for"] == run
    between_attempts(service, run)
    assert waiting(service)[next_run] == run
    service.store.finish(run, TrainingOutcome(TrainingState.CANCELED, service.clock()))
    assert waiting(service) == {after_it: next_run, next_run: None, run: None}
    assert "waits_for" not in status(service, next_run)


def test_training_does_not_wait_for_a_deleted_one(service, run: str) -> None:
    next_run = service.submit(resume_from=run)
    end(service, run)
    assert service.client.delete(f"/v3/models/{run}").status_code == 204
    assert waiting(service) == {next_run: None}


def test_started_training_waits_for_none(service) -> None:
    first = service.submit()
    run = service.submit(resume_from=first)
    start(service, run)
    assert waiting(service)[run] is None


def test_times_of_a_damaged_phase_file_hide_no_training(service, run: str) -> None:
    between_attempts(service, run)
    before = (PhaseTime(phase=Phase.LOADING, since=datetime(2026, 3, 1)),)  # noqa: DTZ001 - without an offset
    service.job(run).phase.write_text(
        PhaseFile(phase=Phase.PROCESSING, since=service.clock(), before=before).model_dump_json()
    )
    assert reported_status(service, run).attempt == 2
