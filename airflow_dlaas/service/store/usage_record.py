"""The record of the use of GPU slots by an attempt of a training. It outlives the record of the training."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """An attempt of a training that was started, and the time in which it held its slots."""

    training_id: str
    owner: str
    dag_id: str | None
    """The DAG and the task in the tag of its description (`airflow_dlaas.contract.task_tag`); None without a tag."""
    task_id: str | None
    slots: int
    submitted_at: datetime
    """When the training was submitted."""
    started_at: datetime
    """When its slots were reserved."""
    released_at: datetime | None
    """When they were released: its command had ended. None while it holds them."""
    finished_at: datetime | None
    state: str
    exit_code: int | None
    error_code: str | None
    stalled_seconds: float
    """Seconds in which its watchdog found that the command did no work."""
    attempt: int = 1
    """Its number, from 1. One that another one followed is in state `error`, whatever becomes of the training."""
