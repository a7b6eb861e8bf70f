"""Frames of a training's monitor: text messages of a WebSocket, each one JSON object with `status` in it."""

from __future__ import annotations

from airflow_dlaas.contract.base import ApiList, ApiModel
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Metric

MAX_LAST_LINES = 1000
"""The most lines that ``?last=N`` may ask for."""

LOG_COMPLETE_REASON = "the whole log was sent"
"""Reason with which our service closes the monitor of an ended training after the last frame (ours)."""


class FrameStatus(ApiModel):
    """
    What a frame tells: a piece of the log, or a metric.

    ``message`` is log text, possibly many lines. ``state`` and ``offset`` are ours: the state when the frame was sent,
    and the number of bytes of the log that have been sent up to and with this frame, with which a broken
    connection is taken up again (``?offset=N``).
    """

    message: str | None = None
    metrics: ApiList[Metric] | None = None
    state: TrainingState | None = None
    offset: int | None = None


class Frame(ApiModel):
    """One message of the monitor."""

    status: FrameStatus
