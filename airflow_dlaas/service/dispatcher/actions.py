"""The actions of the dispatcher, as values: `decide` returns them, and `perform` performs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.service.dispatcher.recovery import Recovery
from airflow_dlaas.service.store.records import TrainingOutcome


@dataclass(frozen=True, slots=True)
class Start:
    """Reserve *gpus* for a training and start its learner."""

    training_id: str
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restart:
    """Start the learner of a training that has its slots already. A learner that runs after all is not disturbed."""

    training_id: str


@dataclass(frozen=True, slots=True)
class RecordProgress:
    """Record the state and the phase that a training reached at *since*."""

    training_id: str
    state: TrainingState
    phase: Phase | None
    since: datetime


@dataclass(frozen=True, slots=True)
class ReportStalls:
    """Inform clients that wait for changes: the watchdog of a training has found something new."""

    training_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Request the learner to stop."""

    training_id: str


@dataclass(frozen=True, slots=True)
class KillLeftovers:
    """Kill the processes that a lost learner has left running, before its slots are given to other trainings."""

    training_id: str


@dataclass(frozen=True, slots=True)
class Recover:
    """
    Let a further attempt follow the one that has ended; has no effect if a cancel was requested meanwhile.

    If the learner was lost, the processes that it has left running are killed before.
    """

    training_id: str
    recovery: Recovery
    is_lost: bool = False
    stalled_seconds: float = 0.0
    """Seconds in which the watchdog found that the command did no work."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Record the outcome of a training."""

    training_id: str
    outcome: TrainingOutcome


@dataclass(frozen=True, slots=True)
class Abandon:
    """Record the outcome of a training whose job no learner claimed; has no effect if a learner claims it meanwhile."""

    training_id: str
    outcome: TrainingOutcome


Action: TypeAlias = Start | Restart | RecordProgress | ReportStalls | Stop | KillLeftovers | Recover | Finish | Abandon
