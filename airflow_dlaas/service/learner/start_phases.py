"""
The phases of a job before its command, while its environment is made and its data is loaded at the same time.

The phase is ``preparing`` while only an environment is being made. It is ``loading`` from the moment when data begins
to be loaded, or when the environment is there, whichever comes first, until the command starts: a training whose data
is being loaded never reports another phase, and ``preparing`` does not come back, because a running training does not
become a pending one again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from airflow_dlaas.contract.state import Phase
from airflow_dlaas.service.learner.job_phases import JobPhases


@dataclass(frozen=True, slots=True)
class StartPhases:
    """Enters each of the two phases at most once. Thread-safe."""

    phases: JobPhases
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self) -> None:
        """An environment is being made."""
        with self._lock:
            if not self.phases.entered:
                self.phases.enter(Phase.PREPARING)

    def load(self) -> None:
        """Data is being loaded, or the environment is there."""
        with self._lock:
            if all(one.phase is not Phase.LOADING for one in self.phases.entered):
                self.phases.enter(Phase.LOADING)
