"""Follows TensorBoard's event files, wherever the command writes them below its own folders."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.metric_phases import phase_from_folders
from airflow_dlaas.service.metrics.tfevents import EventFile, Scalar

SEARCH_INTERVAL = 3.0
"""Seconds between two searches for new files; those that are known are read at every look."""

MAX_EVENT_FILES = 100
"""Event files followed of one training."""

MAX_SCANNED_ENTRIES = 20_000
"""Files and folders looked at in one search: a training that unpacks millions of pictures holds up nobody."""

MAX_SCAN_DEPTH = 6

MAX_TAG_LENGTH = 200
"""Characters kept of a tag."""

EVENT_FILE_MARKER = "events.out.tfevents."
"""What an event file's name has in it; a time and a host follow."""


class EventFileReader:
    """
    Turns what is new in the event files below *roots* into metrics.

    Links are not followed: a command could make them point anywhere. A file that is no event file is let go, with one
    sentence to *on_error*.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        on_error: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = roots
        self._on_error = on_error
        self._clock = clock
        self._last_search: float | None = None
        self._files: dict[Path, tuple[EventFile, str]] = {}
        self._broken_files: set[Path] = set()

    def read_new(self, *, final: bool = False) -> Iterator[Metric]:
        """Give what has come since the last look; with *final*, from files that were made just now, too."""
        now = self._clock()
        if final or self._last_search is None or now - self._last_search >= SEARCH_INTERVAL:
            self._last_search = now
            self._find_new_files()
        for path, (file, phase) in list(self._files.items()):
            if path in self._broken_files:
                continue
            try:
                for scalar in file.read_scalars():
                    yield _to_metric(scalar, phase)
            except OSError:  # removed, or a link by now
                del self._files[path]
                continue
            if file.is_corrupt:
                self._on_error(f"{path.name} is no event file from byte {file.offset} on; it is not read any more")
                self._broken_files.add(path)

    def event_dirs(self) -> list[Path]:
        """Name the folders of all event files that could be read so far."""
        return sorted({path.parent for path, (file, _) in self._files.items() if file.offset})

    def _find_new_files(self) -> None:
        for root in self._roots:
            for path in _iter_event_files(root):
                if len(self._files) >= MAX_EVENT_FILES:
                    return
                if path not in self._files:
                    self._files[path] = (EventFile(path), phase_from_folders(path.relative_to(root).parts[:-1]))


def _iter_event_files(root: Path) -> Iterator[Path]:
    left, folders = MAX_SCANNED_ENTRIES, [(root, 0)]
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
                    if depth < MAX_SCAN_DEPTH:
                        folders.append((Path(entry.path), depth + 1))
                elif EVENT_FILE_MARKER in entry.name and entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)


def _to_metric(scalar: Scalar, phase: str) -> Metric:
    # A writer's clock may say anything; a time that is none is told as the beginning of all time.
    try:
        moment = datetime.fromtimestamp(scalar.wall_time, timezone.utc)
    except (ValueError, OverflowError, OSError):
        moment = datetime.fromtimestamp(0, timezone.utc)
    value = MetricValue(name=scalar.tag[:MAX_TAG_LENGTH], value=scalar.value)
    return Metric(timestamp=moment, iteration=scalar.step, phase=phase, values=(value,))
