"""Follows TensorBoard's event files, wherever the command writes them below its own folders."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.metric_phases import phase_of_folder
from airflow_dlaas.service.metrics.tfevents import EventFile, Scalar

LOOK_EVERY = 3.0
"""Seconds between two searches for new files; those that are known are read at every look."""

FILES = 100
"""Event files followed of one training."""

ENTRIES = 20_000
"""Files and folders looked at in one search: a training that unpacks millions of pictures holds up nobody."""

DEPTH = 6

NAME_LIMIT = 200
"""Characters kept of a tag."""

MARK = "events.out.tfevents."
"""What an event file's name has in it; a time and a host follow."""


class EventFollower:
    """
    Turns what is new in the event files below *roots* into metrics.

    Links are not followed: a command could make them point anywhere. A file that is no event file is let go, with one
    sentence to *complain*.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        complain: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = roots
        self._complain = complain
        self._clock = clock
        self._searched: float | None = None
        self._files: dict[Path, tuple[EventFile, str]] = {}
        self._given_up: set[Path] = set()

    def look(self, *, last: bool = False) -> Iterator[Metric]:
        """Give what has come since the last look; with *last*, from files that were made just now, too."""
        now = self._clock()
        if last or self._searched is None or now - self._searched >= LOOK_EVERY:
            self._searched = now
            self._search()
        for path, (file, phase) in list(self._files.items()):
            if path in self._given_up:
                continue
            try:
                for scalar in file.scalars():
                    yield _metric(scalar, phase)
            except OSError:  # removed, or a link by now
                del self._files[path]
                continue
            if file.broken:
                self._complain(f"{path.name} is no event file from byte {file.offset} on; it is not read any more")
                self._given_up.add(path)

    def folders(self) -> list[Path]:
        """Name the folders of all event files that could be read so far."""
        return sorted({path.parent for path, (file, _) in self._files.items() if file.offset})

    def _search(self) -> None:
        for root in self._roots:
            for path in _find(root):
                if len(self._files) >= FILES:
                    return
                if path not in self._files:
                    self._files[path] = (EventFile(path), phase_of_folder(path.relative_to(root).parts[:-1]))


def _find(root: Path) -> Iterator[Path]:
    left, folders = ENTRIES, [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            entries = os.scandir(folder)
        except OSError:
            continue  # gone again, or never made
        with entries:
            for entry in entries:
                left -= 1
                if left < 0:
                    return
                if entry.is_dir(follow_symlinks=False):
                    if depth < DEPTH:
                        folders.append((Path(entry.path), depth + 1))
                elif MARK in entry.name and entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)


def _metric(scalar: Scalar, phase: str) -> Metric:
    # A writer's clock may say anything; a time that is none is told as the beginning of all time.
    try:
        moment = datetime.fromtimestamp(scalar.wall_time, timezone.utc)
    except (ValueError, OverflowError, OSError):
        moment = datetime.fromtimestamp(0, timezone.utc)
    value = MetricValue(name=scalar.tag[:NAME_LIMIT], value=scalar.value)
    return Metric(timestamp=moment, iteration=scalar.step, phase=phase, values=(value,))
