"""The interface of runners."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Protocol

from airflow_dlaas.service.job_files import JobDirectory


class Liveness(Enum):
    """The state of a learner without an exit.json, as a runner sees it."""

    WAITING = "waiting"
    """The engine has accepted it and not started it yet."""
    ALIVE = "alive"
    """Its process exists, with the same pid, start time and boot."""
    GONE = "gone"
    """Its process no longer exists."""
    UNKNOWN = "unknown"
    """Unknown to the engine: it was never started, or its record has expired."""


class Runner(Protocol):
    """Starts, polls and stops learners. Methods block; the dispatcher calls them in its own thread."""

    def start(self, job: JobDirectory) -> str:
        """
        Start the learner of *job*, whose spec.json exists; return the handle that identifies it.

        Safe to repeat: a learner whose job is already claimed (run.json) ends without touching it. The learner
        survives the end of this process.

        :raises HostError: the learner could not be started.
        """

    def poll(self, jobs: Mapping[str, JobDirectory]) -> Mapping[str, Liveness]:
        """
        Return the liveness of the learners with these handles, in one query to the engine.

        A handle that is missing from the result is unknown to the engine.
        """

    def stop(self, handles: Collection[str], jobs: Mapping[str, JobDirectory]) -> None:
        """
        Request learners to stop.

        Returns before they have stopped: a learner ends its command, stores the results and then writes exit.json. A
        learner that is already gone is no error.
        """

    def kill_leftovers(self, job: JobDirectory) -> None:
        """
        Kill the processes that the learner of *job*, which is gone, has left running, and remove its container: they
        would continue to use its GPUs.

        It is no error if there are none. Returns when they have ended, or after some seconds.
        """
