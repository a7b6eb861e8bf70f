from __future__ import annotations

import logging
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow_dlaas.contract.state import Phase
from airflow_dlaas.contract.training import PhaseTime
from airflow_dlaas.service.job_files import JobDirectory, read_job_file, write_job_file
from airflow_dlaas.service.job_reports import PhaseFile
from airflow_dlaas.service.learner.job_phases import JobPhases, read_earlier_phases

START = datetime(2026, 5, 1, tzinfo=timezone.utc)
LOADING = PhaseTime(phase=Phase.LOADING, since=START)
PROCESSING = PhaseTime(phase=Phase.PROCESSING, since=START + timedelta(minutes=1))


def a_job(tmp_path: Path, phase: PhaseTime, *before: PhaseTime) -> JobDirectory:
    job = JobDirectory(tmp_path)
    write_job_file(job.phase, PhaseFile(phase=phase.phase, since=phase.since, before=before))
    return job


def test_first_attempt_has_no_earlier_phases(tmp_path: Path) -> None:
    job = JobDirectory(tmp_path)
    assert read_earlier_phases(job) == ()
    job.phase.write_text("{")
    assert read_earlier_phases(job) == ()


def test_recovery_begins_with_the_last_output_of_the_attempt_before(tmp_path: Path) -> None:
    job = a_job(tmp_path, PROCESSING, LOADING)
    for path, hours in ((job.log, 2), (job.metrics, 3), (job.usage_history, 1)):
        path.touch()
        os.utime(path, times=(0, (START + timedelta(hours=hours)).timestamp()))
    recovering = PhaseTime(phase=Phase.RECOVERING, since=START + timedelta(hours=3))
    assert read_earlier_phases(job) == (LOADING, PROCESSING, recovering)


def test_recovery_begins_after_the_last_phase(tmp_path: Path) -> None:
    """Without output, or with a file whose time was changed, it has no length."""
    job = a_job(tmp_path, PROCESSING, LOADING)
    assert read_earlier_phases(job)[-1].since == PROCESSING.since
    job.log.touch()
    os.utime(job.log, times=(0, 0))
    assert read_earlier_phases(job)[-1].since == PROCESSING.since


def test_recovery_that_is_recorded_stays(tmp_path: Path) -> None:
    recovering = PhaseTime(phase=Phase.RECOVERING, since=START + timedelta(hours=1))
    assert read_earlier_phases(a_job(tmp_path, recovering, LOADING)) == (LOADING, recovering)


def test_phases_of_an_attempt_follow_those_of_the_attempts_before(tmp_path: Path) -> None:
    job = JobDirectory(tmp_path)
    phases = JobPhases(job, 2, "none", logging.getLogger("test"), (LOADING, PROCESSING))
    assert phases.entered == []
    phases.enter(Phase.LOADING)
    phases.enter(Phase.PROCESSING)
    written = read_job_file(job.phase, PhaseFile)
    assert written is not None
    assert (written.phase, written.attempt, written.isolation) == (Phase.PROCESSING, 2, "none")
    assert written.before[:2] == (LOADING, PROCESSING)
    assert [one.phase for one in written.before[2:]] == [Phase.LOADING]
