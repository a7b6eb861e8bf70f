from __future__ import annotations

import logging
from pathlib import Path

from airflow_dlaas.contract.state import Phase
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.learner.job_phases import JobPhases
from airflow_dlaas.service.learner.start_phases import StartPhases


def entered(tmp_path: Path, *steps: str) -> list[Phase]:
    phases = JobPhases(JobDirectory(tmp_path), 1, "none", logging.getLogger("test"))
    start = StartPhases(phases)
    for one in steps:
        getattr(start, one)()
    return [one.phase for one in phases.entered]


def test_loading_follows_preparing(tmp_path: Path) -> None:
    assert entered(tmp_path, "prepare", "prepare", "load", "load") == [Phase.PREPARING, Phase.LOADING]


def test_preparing_does_not_come_back(tmp_path: Path) -> None:
    """Packages are installed while data is loaded."""
    assert entered(tmp_path, "load", "prepare") == [Phase.LOADING]
