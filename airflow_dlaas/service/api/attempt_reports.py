"""
The attempts of a training and its checkpoints in its status: from its record, and from what its learner reports. No
I/O.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_dlaas.contract.attempts import AttemptReport, ResumedFrom
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import PhaseTime
from airflow_dlaas.service.job_reports import CheckpointsFile, PhaseFile
from airflow_dlaas.service.store.records import TrainingRecord

_PHASES_WITH_CHECKPOINT = frozenset({Phase.PROCESSING, Phase.STORING})
"""The phases in which an attempt has its checkpoint, if it begins with one: it is restored before the command."""


def is_queued(record: TrainingRecord) -> bool:
    """Whether the training waits for GPUs: for its first attempt, or for a further one."""
    return not record.state.is_final and record.started_at is None


def report_phase(record: TrainingRecord) -> Phase | None:
    """Return the present phase; None after the end."""
    if not is_queued(record):
        return record.phase
    return Phase.RECOVERING if record.was_started else Phase.QUEUED


def report_phases(record: TrainingRecord, file: PhaseFile | None) -> tuple[PhaseTime, ...]:
    """Return the phases of all attempts; without *file*, those that the record has."""
    queued = PhaseTime(phase=Phase.QUEUED, since=record.submitted_at)
    found = [] if file is None else [*file.before, PhaseTime(phase=file.phase, since=file.since)]
    # The learner of a further attempt records the phase before it; between two attempts, it is not recorded yet.
    recorded = sum(one.phase is Phase.RECOVERING for one in found)
    ends = [one.ended_at for one in record.ended_attempts[recorded:] if one.ended_at is not None]
    if ends:
        recovering = [PhaseTime(phase=Phase.RECOVERING, since=end) for end in ends]
        found = sorted((*found, *recovering), key=lambda one: one.since.timestamp())
    return (queued, *found)


def report_resumed_from(
    record: TrainingRecord, phase_file: PhaseFile | None, file: CheckpointsFile | None
) -> ResumedFrom | None:
    """Return the checkpoint that the present attempt began with; None before the attempt has read it."""
    if file is None or record.attempt == 1:
        return file.resumed_from if file else None
    # Until the learner of a further attempt has restored a checkpoint, the file has that of the attempt before.
    is_present = phase_file and phase_file.attempt == record.attempt and phase_file.phase in _PHASES_WITH_CHECKPOINT
    return file.resumed_from if is_present else None


def report_attempts(record: TrainingRecord, resumed_from: ResumedFrom | None) -> tuple[AttemptReport, ...] | None:
    """
    Return all attempts, the present one last; None while there is only one.

    :param resumed_from: the checkpoint that the present attempt began with.
    """
    if record.attempt == 1:
        return None
    present = AttemptReport(
        number=record.attempt,
        started_at=record.started_at,
        ended_at=record.finished_at,
        code=record.error.code if record.error else None,
        reason=record.error.message if record.error else None,
        exit_code=record.exit_code,
        resumed_from=resumed_from,
    )
    return (*record.ended_attempts, present)


def awaited_training(record: TrainingRecord) -> str | None:
    """Return the training whose end *record*, a queued training, waits for if it has not ended; None without one."""
    return record.checkpoint_sources[0].training_id if is_queued(record) and record.checkpoint_sources else None


def report_waits_for(record: TrainingRecord, states: Mapping[str, TrainingState | None]) -> str | None:
    """
    Return the id of the training whose end *record* waits for.

    :param states: the states of trainings by id; None for one that this release does not know. A training that is
        missing was deleted, so it has ended.
    """
    awaited = awaited_training(record)
    if awaited is None or awaited not in states:
        return None
    state = states[awaited]
    return None if state is not None and state.is_final else awaited
