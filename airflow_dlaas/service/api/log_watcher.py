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
from airflow_dlaas.service.job_files import JobFolder
from airflow_dlaas.service.store.base import Store

INTERVAL = 0.25
"""Seconds between two looks: what a line of a log waits at most before it is sent."""

SHARE = 0.1
"""The part of a thread's time that looks may take: where one takes long, the next one comes later."""

AFTER_FAILURE = 5.0
"""Seconds to the next look after one that failed unexpectedly."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """An event of one event loop that other threads may set."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)


@dataclass(slots=True, eq=False)
class Followed:
    """A training that monitors follow, as the last look found it."""

    state: TrainingState
    files: tuple[str, str]
    """Paths of its log and its metrics, as text: they are looked at often."""
    deleted: bool = False
    sizes: tuple[int, int] = (0, 0)
    signals: set[Signal] = field(default_factory=set)


def size(path: str) -> int:
    """Bytes of the file at *path*; 0 where there is none."""
    try:
        return os.stat(path).st_size  # noqa: PTH116 - a Path made for each call takes longer than the call
    except OSError:
        return 0


def start_thread(run: Callable[[], None]) -> None:
    """Let *run* go on in a thread that ends with the process."""
    threading.Thread(target=run, name="log-watcher", daemon=True).start()


class LogWatcher:
    """
    Knows which trainings are followed, and looks at them while there are any.

    :param store: gives the store that is asked; called at each look.
    :param size: gives the bytes of a file.
    :param start: starts what looks, aside.
    """

    def __init__(
        self,
        store: Callable[[], Store],
        *,
        size: Callable[[str], int] = size,
        start: Callable[[Callable[[], None]], None] = start_thread,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._size = size
        self._start = start
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()  # over the three that follow
        self._followed: dict[str, Followed] = {}
        self._added = False
        self._started = False
        self._revision = -1
        self._store_failed = False

    @contextmanager
    def following(self, training_id: str, state: TrainingState, folder: Path) -> Iterator[tuple[Followed, Signal]]:
        """
        Follow a training, last seen in *state*, from the running event loop.

        The signal is set whenever its state, its log or its metrics have changed since it was last cleared. Clear it
        before reading them: a change in between sets it again.
        """
        signal = Signal()
        with self._lock:
            if not self._started:
                self._start(self._run)  # what it starts waits for the lock
                self._started = True
            followed = self._followed.get(training_id)
            if followed is None:
                job = JobFolder(folder)
                followed = self._followed[training_id] = Followed(state, (str(job.log), str(job.metrics)))
                self._added = True
            followed.signals.add(signal)
        try:
            yield followed, signal
        finally:
            with self._lock:
                followed.signals.discard(signal)
                if not followed.signals and self._followed.get(training_id) is followed:
                    del self._followed[training_id]

    def look(self) -> None:
        """Look at every followed training once, and set the signals of those that have changed."""
        with self._lock:
            followed, added, self._added = dict(self._followed), self._added, False
        if not followed:
            return
        changed: set[str] = set()
        try:
            changed |= self._changed_states(followed, added=added)
        except Exception as error:
            with self._lock:
                self._added = True  # so that states are asked for again whatever the revision is then
            if not isinstance(error, DlaasError):
                raise
            if not self._store_failed:
                logger.warning("States of %d followed trainings cannot be read, retrying: %s", len(followed), error)
            self._store_failed = True
        changed |= self._grown(followed)
        self._signal([followed[training_id] for training_id in changed])

    def _changed_states(self, followed: dict[str, Followed], *, added: bool) -> set[str]:
        store = self._store()
        # Before the states: what changes after this has a higher revision, and is seen at the next look.
        revision = store.revision()
        if revision == self._revision and not added:
            return set()
        states = store.states(followed)
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

    def _grown(self, followed: dict[str, Followed]) -> set[str]:
        grown = set()
        for training_id, one in followed.items():
            if not one.state.is_final:  # after its end a training writes no more
                log, metrics = one.files
                sizes = (self._size(log), self._size(metrics))
                if sizes != one.sizes:
                    one.sizes = sizes
                    grown.add(training_id)
        return grown

    def _signal(self, changed: list[Followed]) -> None:
        events: defaultdict[asyncio.AbstractEventLoop, list[asyncio.Event]] = defaultdict(list)
        with self._lock:
            for one in changed:
                for signal in one.signals:
                    events[signal.loop].append(signal.event)
        for loop, some in events.items():
            with suppress(RuntimeError):  # the loop was closed, and its monitors with it
                loop.call_soon_threadsafe(_set, some)

    def _run(self) -> None:
        while True:
            begun = self._clock()
            try:
                self.look()
                pause = max(INTERVAL, (self._clock() - begun) / SHARE)
            except Exception:
                logger.exception("A look at followed trainings failed; the next one is in %g s", AFTER_FAILURE)
                pause = AFTER_FAILURE
            self._sleep(pause)
            with self._lock:
                if not self._followed:
                    self._started = False
                    return


def _set(events: list[asyncio.Event]) -> None:
    for event in events:
        event.set()
