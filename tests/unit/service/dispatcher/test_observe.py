"""What the dispatcher reads of the training data of an attempt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from pathlib import Path

import pytest

from airflow_dlaas.contract.data_report import DataReport
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.dispatcher.observe import observe_trainings
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_reports import DataFile, ExitFile
from airflow_dlaas.service.runners.base import Liveness
from tests.unit.service.dispatcher.test_decide import a_started

REPORT = DataReport(seconds=3.5)


class Engine:
    """A runner that finds all learners in the same state."""

    def __init__(self, liveness: Liveness) -> None:
        self.liveness = liveness

    def poll(self, handles: Collection[str]) -> Mapping[str, Liveness]:
        return dict.fromkeys(handles, self.liveness)


@pytest.mark.parametrize(
    ("attempt", "liveness", "has_ended", "found"),
    [
        (1, Liveness.ALIVE, True, REPORT),
        (1, Liveness.GONE, False, REPORT),
        (1, Liveness.ALIVE, False, None),
        (2, Liveness.GONE, False, None),
    ],
)
def test_report_of_the_data_is_read_once_the_attempt_may_have_ended(
    tmp_path: Path, attempt: int, liveness: Liveness, has_ended: bool, found: DataReport | None
) -> None:
    job = JobDirectory(tmp_path)
    job.data_report.write_text(DataFile(report=REPORT, attempt=attempt).model_dump_json())
    if has_ended:
        ended_at = datetime(2026, 3, 1, tzinfo=timezone.utc)
        job.exit.write_text(ExitFile(state=TrainingState.COMPLETED, finished_at=ended_at).model_dump_json())
    observations = observe_trainings([a_started("t")], lambda _: job, Engine(liveness))
    assert observations["t"].data_report == found
