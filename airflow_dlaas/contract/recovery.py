"""When the service starts the command of a training again (key `recovery`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from airflow_dlaas.contract.base import RequestModel

MAX_ATTEMPTS = 100

ExitCode = Annotated[int, Field(ge=1, le=255, strict=True)]


class Recovery(RequestModel):
    """
    How often a training may begin, and after which exit codes of its command the next attempt follows.

    An attempt also follows one whose learner was lost: its process was killed, or the machine was restarted. It begins
    with the newest complete checkpoint. Nothing follows a cancel request, a time limit or the watchdog.
    """

    attempts: int = Field(ge=1, le=MAX_ATTEMPTS, strict=True)
    """All attempts, the first one included."""
    exit_codes: tuple[ExitCode, ...] = ()
    """Exit codes of the command; 128 + N stands for signal N."""

    @field_validator("exit_codes")
    @classmethod
    def _require_each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError("must name each exit code once")
        return value
