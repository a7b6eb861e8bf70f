"""What all stages of a claimed job share."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner import command_env
from airflow_dlaas.service.learner.isolation import Isolation
from airflow_dlaas.service.learner.job_phases import JobPhases
from airflow_dlaas.service.learner.job_storage import JobStorage
from airflow_dlaas.service.learner.log_file import file_logger
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.signal_waker import SignalWaker


@dataclass(frozen=True, slots=True)
class JobContext:
    """One claimed job: what it runs, and where it reports to."""

    job: JobDirectory
    spec: JobSpec
    definition: TrainingDefinition
    storage: JobStorage
    waker: SignalWaker
    isolation: Isolation
    log: LogWriter
    """The command's log."""
    phases: JobPhases

    def logger(self, name: str) -> logging.Logger:
        """Return a logger that writes to the file *name* in the job's folder of logs."""
        return file_logger(self.job.subdirectory(command_env.LOGS) / name, self.log.mask)
