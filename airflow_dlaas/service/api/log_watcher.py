"""
Wakes the monitors of trainings that have something new, by one look at all of them together.

A monitor sleeps until its training has changed its state or written to a file. One thread per process looks: it asks
the store for its revision, for states only when that has grown, and looks at the sizes of two files of each
training that is followed. inotify would spare it the sizes, but does not report what another host writes to a shared
file system.
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
"""Seconds between two looks: what a line of a log waits at most before it is sent."""

MAX_POLL_SHARE = 0.1
"""The part of a thread's time that looks may take: where one takes long, the next one comes later."""

ERROR_RETRY_INTERVAL = 5.0
"""Seconds to the next look after one that failed unexpectedly."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class LoopEvent:
    """An event of one event loop that other threads may set."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)


@dataclass(slots=True, eq=False)
class FollowedTraining:
    """A training that monitors follow, as the last look found it."""

    state: TrainingState
    files: tuple[str, str]
    """Paths of its log and its metrics, as text: they are looked at often."""
    deleted: bool = False
    sizes: tuple[int, int] = (0, 0)
    events: set[LoopEvent] = field(default_factory=set)


def file_size(path: str) -> int:
    """Bytes of the file at *path*; 0 where there is none."""
    try:
        return os.stat(path).st_size  # noqa: PTH116 - a Path made for each call takes longer than the call
    except OSError:
        return 0


def start_daemon_thread(run: Callable[[], None]) -> None:
    """Let *run* go on in a thread that ends with the process."""
    threading.Thread(target=run, name="log-watcher", daemon=True).start()


class LogWatcher:
    """
    Knows which trainings are followed, and looks at them while there are any.

    :param get_store: gives the store that is asked; called at each look.
    :param size: gives the bytes of a file.
    :param spawn_thread: starts what looks, aside.
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
        self._lock = threading.Lock()  # over the three that follow
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
        Follow a training, last seen in *state*, from the running event loop.

        The signal is set whenever its state, its log or its metrics have changed since it was last cleared. Clear it
        before reading them: a change in between sets it again.
        """
        signal = LoopEvent()
        with self._lock:
            if not self._is_running:
                self._spawn_thread(self._poll_loop)  # what it starts waits for the lock
                self._is_running = True
            followed = self._followed.get(training_id)
            if followed is None:
                job = JobDirectory(folder)
                followed = self._followed[training_id] = FollowedTraining(state, (str(job.log), str(job.metrics)))
                self._has_new = True
            followed.events.add(signal)
        try:
            yield followed, signal
        finally:
            with self._lock:
                followed.events.discard(signal)
                if not followed.events and self._followed.get(training_id) is followed:
                    del self._followed[training_id]

    def poll(self) -> None:
        """Look at every followed training once, and set the signals of those that have changed."""
        with self._lock:
            followed, added, self._has_new = dict(self._followed), self._has_new, False
        if not followed:
            return
        changed: set[str] = set()
        try:
            changed |= self._poll_states(followed, has_new=added)
        except Exception as error:
            with self._lock:
                self._has_new = True  # so that states are asked for again whatever the revision is then
            if not isinstance(error, DlaasError):
                raise
            if not self._store_failed:
                logger.warning("States of %d followed trainings cannot be read, retrying: %s", len(followed), error)
            self._store_failed = True
        changed |= self._poll_files(followed)
        self._notify([followed[training_id] for training_id in changed])

    def _poll_states(self, followed: dict[str, FollowedTraining], *, has_new: bool) -> set[str]:
        store = self._get_store()
        # Before the states: what changes after this has a higher revision, and is seen at the next look.
        revision = store.current_revision()
        if revision == self._revision and not has_new:
            return set()
        states = store.get_states(followed)
        self._revision = revision
        if self._store_failed:
            logger.info("States of followed trainings can be read again")
        self._store_failed = False
        changed = set()
        for training_id, one in followed.items():
            deleted, state = training_id not in states, states.get(training_id) or one.state
            if (deleted, state) != (one.deleted, one.state):
                one.deleted, one.state = deleted, state
                changed.add(training_id)
        return changed

    def _poll_files(self, followed: dict[str, FollowedTraining]) -> set[str]:
        grown = set()
        for training_id, one in followed.items():
            if not one.state.is_final:  # after its end a training writes no more
                log, metrics = one.files
                sizes = (self._get_file_size(log), self._get_file_size(metrics))
                if sizes != one.sizes:
                    one.sizes = sizes
                    grown.add(training_id)
        return grown

    def _notify(self, changed: list[FollowedTraining]) -> None:
        events: defaultdict[asyncio.AbstractEventLoop, list[asyncio.Event]] = defaultdict(list)
        with self._lock:
            for one in changed:
                for signal in one.events:
                    events[signal.loop].append(signal.event)
        for loop, some in events.items():
            with suppress(RuntimeError):  # the loop was closed, and its monitors with it
                loop.call_soon_threadsafe(_set_events, some)

    def _poll_loop(self) -> None:
        while True:
            begun = self._clock()
            try:
                self.poll()
                pause = max(POLL_INTERVAL, (self._clock() - begun) / MAX_POLL_SHARE)
            except Exception:
                logger.exception("A look at followed trainings failed; the next one is in %g s", ERROR_RETRY_INTERVAL)
                pause = ERROR_RETRY_INTERVAL
            self._sleep(pause)
            with self._lock:
                if not self._followed:
                    self._is_running = False
                    return


def _set_events(events: list[asyncio.Event]) -> None:
    for event in events:
        event.set()
