"""Follows the TensorBoard event files that a command writes in its own folders."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timezone
from pathlib import Path, PurePath

from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.metric_phases import phase_from_folders
from airflow_dlaas.service.metrics.position_tracker import EPOCH_AXIS, STEP_AXIS
from airflow_dlaas.service.metrics.tfevents import EventFile, Scalar

SEARCH_INTERVAL = 3.0
"""Seconds between two searches for new files; known files are read each time."""

MAX_EVENT_FILES = 100
"""Event files that are followed for one training."""

MAX_SCANNED_ENTRIES = 20_000
"""Directory entries read in one search, so that millions of unpacked pictures delay nothing."""

MAX_SCAN_DEPTH = 6

MAX_TAG_LENGTH = 200
"""Characters of a tag that are kept."""

KERAS_EPOCH_PREFIX = "epoch_"
"""Start of the tags whose step is an epoch: Keras writes ``epoch_loss`` once each epoch."""

EVENT_FILE_MARKER = "events.out.tfevents."
"""Part of each event file's name; a time and a host name follow."""


class EventFileReader:
    """
    Reads new metrics from the event files below *roots*.

    Links are not followed, because a command could make them point anywhere. A file with invalid content is logged once
    and not read again.

    :param ignored: files that are not read.
    """

    def __init__(
        self,
        roots: Sequence[Path],
        logger: logging.Logger,
        *,
        ignored: AbstractSet[Path] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = roots
        self._ignored = ignored
        self._logger = logger
        self._clock = clock
        self._last_search: float | None = None
        self._files: dict[Path, tuple[EventFile, PurePath]] = {}
        """The files, and their folders below the root."""
        self._broken_files: set[Path] = set()

    def read_new(self, *, final: bool = False) -> Iterator[Metric]:
        """Yield the metrics since the last call; with *final*, also from files that no search has found yet."""
        now = self._clock()
        if final or self._last_search is None or now - self._last_search >= SEARCH_INTERVAL:
            self._last_search = now
            self._find_new_files()
        for path, (file, folder) in list(self._files.items()):
            if path in self._broken_files:
                continue
            try:
                for scalar in file.read_scalars():
                    yield _to_metric(scalar, folder)
            except OSError:  # removed, or replaced by a link
                del self._files[path]
                continue
            if file.is_corrupt:
                self._logger.warning(
                    "%s is no valid event file from byte %d on and is no longer read", path.name, file.offset
                )
                self._broken_files.add(path)

    def event_dirs(self) -> list[Path]:
        """Return the folders of all event files that could be read so far."""
        return sorted({path.parent for path, (file, _) in self._files.items() if file.offset})

    def _find_new_files(self) -> None:
        for root in self._roots:
            for path in iter_event_files(root):
                if len(self._files) >= MAX_EVENT_FILES:
                    return
                if path not in self._files and path not in self._ignored:
                    self._files[path] = (EventFile(path), path.relative_to(root).parent)


def iter_event_files(root: Path) -> Iterator[Path]:
    """Yield the event files below *root*; links are not followed."""
    left, folders = MAX_SCANNED_ENTRIES, [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            entries = os.scandir(folder)
        except OSError:
            continue  # removed meanwhile, or never created
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


def _to_metric(scalar: Scalar, folder: PurePath) -> Metric:
    # Any number may stand for the time; one that is no valid time becomes the epoch.
    try:
        moment = datetime.fromtimestamp(scalar.wall_time, timezone.utc)
    except (ValueError, OverflowError, OSError):
        moment = datetime.fromtimestamp(0, timezone.utc)
    tag = scalar.tag[:MAX_TAG_LENGTH]
    return Metric(
        timestamp=moment,
        iteration=scalar.step,
        phase=phase_from_folders(folder.parts, tag),
        values=(MetricValue(name=tag, value=scalar.value),),
        axis=EPOCH_AXIS if tag.startswith(KERAS_EPOCH_PREFIX) else STEP_AXIS,
        # A command may create folders whose names are no valid text, which JSON does not have.
        event_folder="" if folder == PurePath() else str(folder).encode(errors="replace").decode(),
    )
