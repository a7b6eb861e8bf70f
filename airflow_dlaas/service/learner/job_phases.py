"""The phases of a job over all its attempts, in ``phase.json``."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from airflow_dlaas.contract.state import Phase
from airflow_dlaas.contract.training import PhaseTime
from airflow_dlaas.service.job_files import READ_ERRORS, JobDirectory, read_job_file, write_job_file
from airflow_dlaas.service.job_reports import PhaseFile


@dataclass(slots=True)
class JobPhases:
    """Records the phases of one attempt after those of the attempts before."""

    job: JobDirectory
    attempt: int
    isolation: str
    logger: logging.Logger
    earlier: tuple[PhaseTime, ...] = ()
    """The phases of the attempts before, with the time between the last two attempts (`read_earlier_phases`)."""
    entered: list[PhaseTime] = field(default_factory=list)
    """The phases of this attempt, oldest first; the last one is the current phase."""

    def enter(self, phase: Phase) -> None:
        """Record the job's phase. On a full disk the job continues; the stage that needs space reports it."""
        since = datetime.now(timezone.utc)
        phase_file = PhaseFile(
            phase=phase,
            since=since,
            isolation=self.isolation,
            before=(*self.earlier, *self.entered),
            attempt=self.attempt,
        )
        self.entered.append(PhaseTime(phase=phase, since=since))
        try:
            write_job_file(self.job.phase, phase_file)
        except OSError as error:
            self.logger.warning("Phase %s could not be written: %s", phase, error.strerror)


def read_earlier_phases(job: JobDirectory) -> tuple[PhaseTime, ...]:
    """
    Return the phases of earlier attempts, up to now; none if ``phase.json`` is missing or cannot be read.

    The last one is `Phase.RECOVERING`: a lost attempt has not recorded its end, so it is taken from the last change of
    a file that only grows.
    """
    try:
        phase_file = read_job_file(job.phase, PhaseFile)
    except READ_ERRORS:
        phase_file = None
    if phase_file is None:
        return ()
    phases = (*phase_file.before, PhaseTime(phase=phase_file.phase, since=phase_file.since))
    if phase_file.phase is Phase.RECOVERING:
        return phases
    changed = [phase_file.since, *filter(None, map(_changed_at, (job.log, job.metrics, job.usage_history)))]
    return (*phases, PhaseTime(phase=Phase.RECOVERING, since=min(max(changed), datetime.now(timezone.utc))))


def _changed_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.lstat().st_mtime, timezone.utc)
    except (OSError, ValueError, OverflowError):
        return None
