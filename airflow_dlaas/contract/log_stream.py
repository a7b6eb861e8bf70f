"""The frames of a training's log stream: text messages of a WebSocket, each a JSON object with the key `status`."""

from __future__ import annotations

from airflow_dlaas.contract.base import ApiList, ApiModel
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Metric

MAX_LAST_LINES = 1000
"""The most lines that ``?last=N`` may request."""

LOG_COMPLETE_REASON = "the whole log was sent"
"""The reason with which our service closes the log stream of an ended training after the last frame (an extension)."""


class FrameStatus(ApiModel):
    """
    A part of the log, or metrics.

    ``message`` is log text, possibly many lines. ``state`` and ``offset`` are ours: the state when the frame was sent,
    and the number of bytes of the log up to the end of this frame, from which a new connection can continue
    (``?offset=N``).
    """

    message: str | None = None
    metrics: ApiList[Metric] | None = None
    state: TrainingState | None = None
    offset: int | None = None


class Frame(ApiModel):
    """One message of the log stream."""

    status: FrameStatus
