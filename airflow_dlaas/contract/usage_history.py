"""The resources that a training's command used over time (extension `usage_history`)."""

from __future__ import annotations

from airflow_dlaas.contract.base import ApiList, ApiModel

DEFAULT_USAGE_POINTS = 400
"""Points of one series, unless the request has another number."""

UsagePoint = tuple[float, float]
"""Seconds since the epoch, and the value."""


class UsageSeries(ApiModel):
    """
    One resource over time.

    Each point stands for the time since the point before: of a time share (``cpu``, ``gpu``) it has the mean, of
    memory the highest amount. In a long training, a point stands for several measurements. A response may have fewer
    points than the service has; their peaks stay.
    """

    resource: str
    """``cpu``, ``memory``, ``gpu`` or ``gpu_memory``."""
    unit: str
    """``percent`` (of one core, or of one GPU) or ``bytes``."""
    device: str = ""
    """The GPU; empty for CPU and memory."""
    limit: float | None = None
    """The amount that the device has, in the same unit, if it is known."""
    points: ApiList[UsagePoint]


class UsageHistory(ApiModel):
    """What a training's command used, from its start until now or until its end. It is kept with the training."""

    series: ApiList[UsageSeries] = ()
    complete: bool = False
    """Whether there can be no further points."""
