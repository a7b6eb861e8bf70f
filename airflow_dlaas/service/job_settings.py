"""
The settings of the service that the specification of a job repeats. No I/O.

No part of it is a pydantic model, so that the console reads the settings without the models of jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

IsolationMode = Literal["auto", "bubblewrap", "none"]
"""
How a command is isolated from the rest of the machine: "auto" uses bubblewrap where it works and no isolation
elsewhere; with "bubblewrap" the training fails where bubblewrap does not work; "none" is no isolation. A container
isolates its command itself.
"""

DEFAULT_LOG_LIMIT = 1024**3
"""Bytes of a log: far more than a user reads, and far less than a disk has."""


@dataclass(frozen=True, slots=True)
class MountRoot:
    """A folder of the machines of the jobs below which definitions may name mounted folders."""

    path: Path
    writable: bool = False
    """Whether a definition may ask for a folder below it that its command can change."""


@dataclass(frozen=True, slots=True)
class DataCacheSettings:
    """The cache of training data on the machine of the job."""

    path: Path
    limit: int
    """Bytes of content, at most; the least recently used is removed first, and never what a training uses."""
