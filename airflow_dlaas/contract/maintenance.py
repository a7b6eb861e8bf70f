"""
Maintenance of a service (extension `maintenance`): drain and cordon. Only the service's own user may read or change it.

A drained service starts no training. A cordoned GPU is given to no training. Both leave running trainings alone.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from airflow_dlaas.contract.base import ApiList, ApiModel, RequestModel, Timestamp

MAX_REASON_LENGTH = 500
"""Characters of a reason."""


def _require_printable(reason: str) -> str:
    if not reason.isprintable():
        raise ValueError("must be printable text on one line")
    return reason


class MaintenanceReason(RequestModel):
    """The body of a request that drains the service or cordons a GPU: why, for other operators."""

    reason: Annotated[str, Field(max_length=MAX_REASON_LENGTH), AfterValidator(_require_printable)] = ""


class MaintenanceEntry(ApiModel):
    """That the service is drained, or that a GPU is cordoned."""

    since: Timestamp
    """When it was requested; a repeated request keeps the first time and takes the new reason."""
    reason: str = ""


class GpuState(ApiModel):
    """One GPU slot."""

    name: str
    in_use: bool = False
    """Whether a training holds it."""
    present: bool = True
    """Whether the service has it since its last start; a cordon outlives a change of DLAAS_GPUS."""
    cordon: MaintenanceEntry | None = None
    """Present if the GPU is cordoned."""


class Maintenance(ApiModel):
    """The response to `GET /v3/maintenance`."""

    drain: MaintenanceEntry | None = None
    """Present if the service is drained."""
    gpus: ApiList[GpuState] = ()
    running: int = 0
    """Trainings of all users that were started and have not ended; at 0, a drained service does no work."""
    queued: int = 0
    """Trainings of all users that wait for their start."""
