"""The attempts of a training and its checkpoints, as its status reports them (extensions)."""

from __future__ import annotations

from airflow_dlaas.contract.base import ApiModel, Timestamp


class CheckpointReport(ApiModel):
    """A complete checkpoint in the results container: one state of the whole CHECKPOINT_DIR."""

    attempt: int
    """The attempt that stored it."""
    number: int
    """Its number within the attempt, from 1."""
    stored_at: Timestamp
    files: int
    bytes: int


class ResumedFrom(ApiModel):
    """The checkpoint that an attempt began with."""

    training_id: str
    """The training that stored it: the same one, or an earlier one (`resume_from`)."""
    attempt: int
    number: int


class AttemptReport(ApiModel):
    """One attempt of a training. One that has ended has the reason; the last one has the outcome of the training."""

    number: int
    """From 1."""
    started_at: Timestamp | None = None
    """When its GPU slots were reserved."""
    ended_at: Timestamp | None = None
    code: str | None = None
    """Why it ended: one of `airflow_dlaas.contract.error.TRAINING_ERROR_CODES`."""
    reason: str | None = None
    """Why it ended, as a sentence without a full stop."""
    exit_code: int | None = None
    resumed_from: ResumedFrom | None = None
    """None for one that began without a checkpoint."""
