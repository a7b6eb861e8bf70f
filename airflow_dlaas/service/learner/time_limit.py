"""The time that the command of a job may take. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.service.job_spec import JobSpec


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A number of seconds, and where it is set."""

    seconds: float
    origin: str
    """As the end of a sentence."""

    def __str__(self) -> str:
        return f"{self.seconds:g} seconds, {self.origin}"


def time_limit(spec: JobSpec, definition: TrainingDefinition) -> TimeLimit | None:
    """Return the lower one of the limit of the service and that of the definition; None without both."""
    own = definition.model_definition.execution.time_limit
    if own is not None and (spec.timeout is None or own <= spec.timeout):
        return TimeLimit(own, "its own time limit (execution.time_limit)")
    return None if spec.timeout is None else TimeLimit(spec.timeout, "the time limit of this service (DLAAS_RUN_LIMIT)")
