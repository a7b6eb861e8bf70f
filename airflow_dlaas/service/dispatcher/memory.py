"""What the dispatcher knows of a started training beside its record: observation and memory of earlier rounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from airflow_dlaas.contract.attempts import ResumedFrom
from airflow_dlaas.contract.data_report import DataReport
from airflow_dlaas.service.job_reports import ExitFile, ExitIfLostFile, PhaseFile
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.stall_report import StallsFile
from airflow_dlaas.service.store.records import TrainingRecord


@dataclass(frozen=True, slots=True)
class Observation:
    """
    What is observed of one started training.

    If the learner is gone, `exit_file` is read after `liveness` was polled, never before: a learner that ends between
    the two reads does not count as lost. A learner may be alive for a while after it has written exit.json.
    """

    exit_file: ExitFile | None = None
    phase_file: PhaseFile | None = None
    liveness: Liveness | None = None
    is_claimed: bool = False
    """Whether a learner has ever claimed the job (run.json)."""
    has_spec: bool = False
    """Whether the job directory is in place (spec.json). If it is missing, it is unknown what a learner has done."""
    is_from_earlier_boot: bool = False
    """Whether the learner ran before the machine was rebooted."""
    exit_read_error: str | None = None
    """Why an existing exit.json cannot be read. While the learner is alive, the training goes on and the file is read
    again."""
    exit_if_lost: ExitIfLostFile | None = None
    """The outcome that the learner left for the case that it is lost; read only if it is gone without an exit.json."""
    stalls: StallsFile | None = None
    """The times in which its watchdog found no work."""
    resumed_from: ResumedFrom | None = None
    """The checkpoint that the attempt began with; read only if the attempt may have ended."""
    data_report: DataReport | None = None
    """What the attempt has read as training data; read only if the attempt may have ended."""


@dataclass(frozen=True, slots=True)
class DispatcherMemory:
    """
    What this dispatcher remembers of one training. It may be lost: then starts and stops are requested once more.

    Times are seconds of a monotonic clock, so that a corrected date delays nothing.
    """

    attempt: int = 1
    """The attempt that all the rest is about."""
    starts: int = 0
    """Learners started for the attempt, as far as is known."""
    last_started_at: float | None = None
    last_stop_at: float | None = None
    gone_since: float | None = None
    stalls_version: int = 0
    """The version of the stalls of which clients were informed."""
    release_failed: bool = False
    """Whether an action that frees the slots has failed. From then on, the slots count as held until it is recorded."""


def update_memory(
    training: TrainingRecord, observation: Observation, memory: DispatcherMemory, monotonic_now: float
) -> DispatcherMemory:
    """
    Add what only the sequence of rounds shows: since when a learner is gone, and that it was started.

    A start by an earlier dispatcher counts from now: only the date could show how long ago it was. A memory of an
    earlier attempt counts as none.
    """
    if memory.attempt != training.attempt:
        memory = DispatcherMemory(attempt=training.attempt)
    was_started_earlier = training.handle is not None and memory.last_started_at is None
    gone_since = monotonic_now if memory.gone_since is None else memory.gone_since
    return replace(
        memory,
        starts=max(memory.starts, 1 if training.handle is not None else 0),
        last_started_at=monotonic_now if was_started_earlier else memory.last_started_at,
        gone_since=gone_since if observation.liveness is Liveness.GONE else None,
    )
