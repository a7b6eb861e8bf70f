"""What a runner promises."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Protocol

from airflow_dlaas.service.job_files import JobDirectory


class Liveness(Enum):
    """What a runner sees of a learner that has left no exit.json."""

    WAITING = "waiting"
    """Accepted, but the engine has not started it."""
    ALIVE = "alive"
    """There, by pid, start time and boot."""
    GONE = "gone"
    """Not there any more."""
    UNKNOWN = "unknown"
    """Never seen here: the start did not happen, or happened so long ago that nobody remembers."""


class Runner(Protocol):
    """Starts learners. Blocking; called from the dispatcher's own thread."""

    def start(self, job: JobDirectory) -> str:
        """
        Start the learner of *job*, whose spec.json is in place; the handle to find it again by.

        Safe to repeat: a learner that finds its job already taken (run.json) ends without touching it. The learner
        outlives this process.

        :raises HostError: it could not be started.
        """

    def poll(self, jobs: Mapping[str, JobDirectory]) -> Mapping[str, Liveness]:
        """See how the learners with these handles are doing, all in one question."""

    def stop(self, handles: Collection[str], jobs: Mapping[str, JobDirectory]) -> None:
        """
        Ask learners to stop.

        A request, not a fact: the learner ends the command, stores what there is, and then leaves exit.json. One
        that has gone meanwhile is no error.
        """

    def kill_leftovers(self, job: JobDirectory) -> None:
        """
        End whatever the learner of *job*, which is gone, has left running, its container included: it would go on using
        its GPUs.

        Nothing left is no error. Returns when it has ended, or after some seconds.
        """
