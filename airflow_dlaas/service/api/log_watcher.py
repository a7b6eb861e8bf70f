"""
Detects changes of all trainings with a log stream, and wakes their log streams.

A log stream waits until its training has changed its state or written to a file. One thread per process polls for all
of them: it reads the store's revision, reads states only if the revision has grown, and reads the sizes of two files
of each followed training. inotify would make reading the sizes unnecessary, but it does not report the writes of
another host to a shared file system.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import DlaasError
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.store.base import Store

POLL_INTERVAL = 0.25
"""Seconds between two polls: the longest delay before a line of a log is sent, unless polls are slow."""

MAX_POLL_SHARE = 0.1
"""The share of the thread's time that polls may take: the pause after a slow poll is longer."""

ERROR_RETRY_INTERVAL = 5.0
"""Seconds to the next poll after an unexpected error."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class LoopEvent:
    """An asyncio event, and the event loop by which another thread sets it."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)


@dataclass(slots=True, eq=False)
class FollowedTraining:
    """A training with open log streams, as of the last poll."""

    state: TrainingState
    files: tuple[str, str]
    """Paths of its log and its metrics, as text, since making a Path in each poll takes time."""
    deleted: bool = False
    sizes: tuple[int, int] = (0, 0)
    events: set[LoopEvent] = field(default_factory=set)


def file_size(path: str) -> int:
    """Return the bytes of the file at *path*; 0 if it cannot be read."""
    try:
        return os.stat(path).st_size  # noqa: PTH116 - making a Path takes longer than this call
    except OSError:
        return 0


def start_daemon_thread(run: Callable[[], None]) -> None:
    """Start *run* in a daemon thread."""
    threading.Thread(target=run, name="log-watcher", daemon=True).start()


class LogWatcher:
    """
    Polls the followed trainings, in a thread that runs while there are any.

    :param get_store: returns the store; called at each poll.
    :param get_file_size: returns the bytes of a file.
    :param spawn_thread: starts the function that polls in another thread.
    """

    def __init__(
        self,
        get_store: Callable[[], Store],
        *,
        get_file_size: Callable[[str], int] = file_size,
        spawn_thread: Callable[[Callable[[], None]], None] = start_daemon_thread,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._get_store = get_store
        self._get_file_size = get_file_size
        self._spawn_thread = spawn_thread
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()  # protects the next three attributes
        self._followed: dict[str, FollowedTraining] = {}
        self._has_new = False
        self._is_running = False
        self._revision = -1
        self._store_failed = False

    @contextmanager
    def follow(
        self, training_id: str, state: TrainingState, folder: Path
    ) -> Iterator[tuple[FollowedTraining, LoopEvent]]:
        """
        Follow a training during the block, from the running event loop; yield its current values and an event.

        The event is set when the state, the log or the metrics have changed. Clear the event before reading them: a
        change in between sets it again.

        :param state: the state when the caller read it.
        :param folder: the job directory.
        """
        loop_event = LoopEvent()
        with self._lock:
            if not self._is_running:
                self._spawn_thread(self._poll_loop)  # the new thread waits for the lock
                self._is_running = True
            followed = self._followed.get(training_id)
            if followed is None:
                job = JobDirectory(folder)
                followed = self._followed[training_id] = FollowedTraining(state, (str(job.log), str(job.metrics)))
                self._has_new = True
            followed.events.add(loop_event)
        try:
            yield followed, loop_event
        finally:
            with self._lock:
                followed.events.discard(loop_event)
                if not followed.events and self._followed.get(training_id) is followed:
                    del self._followed[training_id]

    def poll(self) -> None:
        """Poll each followed training once, and set the events of those that have changed."""
        with self._lock:
            followed, has_new, self._has_new = dict(self._followed), self._has_new, False
        if not followed:
            return
        changed: set[str] = set()
        try:
            changed |= self._poll_states(followed, has_new=has_new)
        except Exception as error:
            with self._lock:
                self._has_new = True  # the next poll reads the states even if the revision is the same
            if not isinstance(error, DlaasError):
                raise
            if not self._store_failed:
                logger.warning(
                    "Reading the states of %d trainings with log streams failed (%s); retrying at each poll",
                    len(followed),
                    error,
                )
            self._store_failed = True
        changed |= self._poll_files(followed)
        self._notify([followed[training_id] for training_id in changed])

    def _poll_states(self, followed: dict[str, FollowedTraining], *, has_new: bool) -> set[str]:
        store = self._get_store()
        # Read before the states: a later change has a higher revision, so the next poll reads it.
        revision = store.current_revision()
        if revision == self._revision and not has_new:
            return set()
        states = store.get_states(followed)
        self._revision = revision
        if self._store_failed:
            logger.info("The states of trainings with log streams can be read again")
        self._store_failed = False
        changed = set()
        for training_id, training in followed.items():
            deleted, state = training_id not in states, states.get(training_id) or training.state
            if (deleted, state) != (training.deleted, training.state):
                training.deleted, training.state = deleted, state
                changed.add(training_id)
        return changed

    def _poll_files(self, followed: dict[str, FollowedTraining]) -> set[str]:
        grown = set()
        for training_id, training in followed.items():
            if not training.state.is_final:  # a training that has ended writes nothing more
                log, metrics = training.files
                sizes = (self._get_file_size(log), self._get_file_size(metrics))
                if sizes != training.sizes:
                    training.sizes = sizes
                    grown.add(training_id)
        return grown

    def _notify(self, changed: list[FollowedTraining]) -> None:
        events: defaultdict[asyncio.AbstractEventLoop, list[asyncio.Event]] = defaultdict(list)
        with self._lock:
            for training in changed:
                for loop_event in training.events:
                    events[loop_event.loop].append(loop_event.event)
        for loop, events_of_loop in events.items():
            with suppress(RuntimeError):  # the event loop has been closed, and its log streams with it
                loop.call_soon_threadsafe(_set_events, events_of_loop)

    def _poll_loop(self) -> None:
        while True:
            begun = self._clock()
            try:
                self.poll()
                pause = max(POLL_INTERVAL, (self._clock() - begun) / MAX_POLL_SHARE)
            except Exception:
                pause = ERROR_RETRY_INTERVAL
                logger.warning("Polling trainings with log streams failed; retrying in %g s", pause, exc_info=True)
            self._sleep(pause)
            with self._lock:
                if not self._followed:
                    self._is_running = False
                    return


def _set_events(events: list[asyncio.Event]) -> None:
    for event in events:
        event.set()
