"""
The keeper: looks at CHECKPOINT_DIR while the command runs, and has each complete state stored.

Looks and sending have a thread each, with a low priority: a checkpoint that takes minutes to send delays no look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from airflow_dlaas._util.threads import start_in_thread
from airflow_dlaas.contract.attempts import ResumedFrom
from airflow_dlaas.service.checkpoints.completeness import Look, complete_after_kill, complete_entries, next_look
from airflow_dlaas.service.checkpoints.open_files import has_open_file, without_open_logs
from airflow_dlaas.service.checkpoints.plan_checkpoint import CheckpointPlan, changed_entries, plan_checkpoint
from airflow_dlaas.service.checkpoints.rename_watch import RenameWatch
from airflow_dlaas.service.checkpoints.sending_thread import SendingThread, StartThread, lower_priority
from airflow_dlaas.service.checkpoints.snapshot import Entry, take_snapshot
from airflow_dlaas.service.checkpoints.staging import StagedFile, StagingFolder
from airflow_dlaas.service.checkpoints.store_checkpoint import CheckpointSender
from airflow_dlaas.service.checkpoints.stored_entries import (
    Found,
    NewEntry,
    StoredCheckpoint,
    StoredEntry,
    state_of,
)

MIN_PAUSE = 1.0
"""Seconds between two looks, at least."""

PAUSE_FACTOR = 50
"""The pause after a look, as a multiple of the time that the look took: looks take 2 % of the time at most."""

MIXED_TIMEOUT = 10.0
"""Seconds that a checkpoint waits for entries that are being overwritten; then it has their earlier state."""


class KeeperEvents(Protocol):
    """Receives what the keeper reports, in its threads."""

    def stored(self, checkpoint: StoredCheckpoint, seconds: float) -> None:
        """A checkpoint was stored within *seconds*."""

    def failed(self, reason: str) -> None:
        """Storing failed; called once until it succeeds again. It is tried again later."""

    def skipped(self, skipped: Mapping[str, str]) -> None:
        """No checkpoint contains these: the reason by path; called once."""


@dataclass(frozen=True, slots=True)
class LastLook:
    """The entries of the last checkpoint."""

    stored: Mapping[str, StoredEntry]
    """Those whose contents were stored during the run."""
    complete: Mapping[str, Entry]
    """Those that are there in the state that counts."""


class CheckpointKeeper:
    """
    Keeps the checkpoints of one attempt. Create it before the command starts; then call `run` in a thread.

    :param resumed_from: the checkpoint of an earlier attempt of the training that CHECKPOINT_DIR was restored from.
    """

    def __init__(
        self,
        folder: Path,
        staging: StagingFolder,
        sender: CheckpointSender,
        events: KeeperEvents,
        *,
        resumed_from: ResumedFrom | None = None,
        clock: Callable[[], float] = time.monotonic,
        start: StartThread = lambda job: start_in_thread(job, name="checkpoint"),
    ) -> None:
        self.sender = sender
        self._folder = folder
        self._staging = staging
        self._events = events
        self._clock = clock
        self._sending = SendingThread(staging, start, clock, events.failed)
        staging.clear()
        self._renames = RenameWatch(folder)
        snapshot = take_snapshot(folder)
        self._restored: Mapping[str, Entry] = snapshot.entries
        self._look = next_look(Look(), snapshot, clock())
        self._before = self._look
        self._reference = resumed_from if self._restored else None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._reported: StoredCheckpoint | None = None
        self._mixed_since: float | None = None
        self._has_reported_skipped = False
        self._unreadable: dict[str, Entry] = {}

    def run(self, done: threading.Event) -> None:
        """Keep checkpoints until *done* is set; then give up what is being sent, and return."""
        self._stop = done
        lower_priority()
        pause = MIN_PAUSE
        try:
            while not done.wait(pause):
                started_at = time.thread_time()
                self.look()
                pause = max(MIN_PAUSE, PAUSE_FACTOR * (time.thread_time() - started_at))
        finally:
            self.stop()

    def look(self) -> None:
        """Look once; begin to send a checkpoint if there is a new one."""
        self._take_look()
        if self._stop.is_set() or not self._sending.is_ready():
            return
        if self._reference is not None:
            self._sending.start(partial(self._recognize, self._reference))
            return
        complete = complete_entries(self._before, self._look) - self._unreadable_entries()
        plan = plan_checkpoint(self._before, self._look, complete, self.sender.entries, self._restored)
        if plan is not None and plan.state != self._last_state() and not self._waits(plan):
            self._send(plan)

    def stop(self) -> None:
        """Give up what is being sent."""
        self._stop.set()
        self._sending.join()

    def clear(self) -> None:
        """Remove the staged files."""
        self._staging.clear()

    def close(self) -> None:
        """End the watch for renames; may be repeated."""
        self._renames.close()

    @property
    def is_stopped(self) -> bool:
        """Whether nothing is being sent any more."""
        return not self._sending.is_running

    def look_last(self, *, is_clean: bool) -> LastLook | None:
        """
        Look for the last time, after all processes of the command have ended, and after `stop`.

        :param is_clean: the command ended by itself, so that everything is complete.
        :return: None if there is no checkpoint.
        """
        self._take_look(are_files_open=False)
        self.close()
        entries = self._look.entries
        before = self._look if is_clean else self._before
        complete = frozenset(entries) if is_clean else complete_after_kill(self._before, self._look)
        plan = plan_checkpoint(before, self._look, complete, self.sender.entries, self._restored)
        if plan is None:
            return None
        as_stored = {name: entries[name] for name in plan.stored if name in entries and name not in plan.overwritten}
        return LastLook(plan.stored, {**as_stored, **plan.new})

    def _take_look(self, *, are_files_open: bool = True) -> None:
        with self._lock:  # a slow look may outlast the command; the last one follows it
            renamed = self._renames.take()
            snapshot, state = take_snapshot(self._folder), self._last_state()
            opened: frozenset[str] = frozenset()
            if are_files_open:
                snapshot = without_open_logs(self._folder, snapshot)
                changed = changed_entries(snapshot.entries, state)
                opened = frozenset(one.top.path for one in changed if has_open_file(self._folder, one.files))
            look = next_look(self._look, snapshot, self._clock(), open_entries=opened, renamed_entries=renamed)
            self._before, self._look = self._look, look
        if snapshot.skipped and not self._has_reported_skipped:
            self._has_reported_skipped = True
            self._events.skipped(snapshot.skipped)

    def _last_state(self) -> dict[str, Found]:
        last = self.sender.last
        return last.state if last is not None else {name: one.found for name, one in self._restored.items()}

    def _unreadable_entries(self) -> frozenset[str]:
        """Return the entries that could not be read, and have not changed since."""
        entries = self._look.entries
        self._unreadable = {name: one for name, one in self._unreadable.items() if entries.get(name) == one}
        return frozenset(self._unreadable)

    def _waits(self, plan: CheckpointPlan) -> bool:
        """Whether to wait for entries that are being overwritten, and that belong to the new ones as it seems."""
        if not (plan.new and plan.overwritten):
            self._mixed_since = None
            return False
        if self._mixed_since is None:
            self._mixed_since = self._look.taken_at
        return self._look.taken_at - self._mixed_since < MIXED_TIMEOUT

    def _send(self, plan: CheckpointPlan) -> None:
        """Stage the files of *plan*, and begin to send them."""
        self._mixed_since = None
        entries: dict[str, StoredEntry | NewEntry] = dict(plan.stored)
        for name, entry in plan.new.items():
            before = self.sender.entries.get(name)
            staged = self._stage(name, entry)
            if staged is not None:
                entries[name] = NewEntry(entry, staged, before, is_required=name in self._restored)
            elif before is not None:
                entries[name] = before
            elif name in self._restored:
                self._staging.clear()
                return
        new = [one for one in entries.values() if isinstance(one, NewEntry)]
        if new or self._is_changed(entries):
            files = [staged for one in new for staged in one.staged]
            self._sending.start(partial(self._send_entries, entries, self._clock()), files)

    def _send_entries(self, entries: Mapping[str, StoredEntry | NewEntry], started_at: float) -> None:
        try:
            self.sender.send(entries, self._stop.is_set)
        finally:  # also if older ones could not be deleted
            last = self.sender.last
            if last is not None and last is not self._reported:
                self._reported = last
                self._events.stored(last, self._clock() - started_at)

    def _is_changed(self, entries: Mapping[str, StoredEntry | NewEntry]) -> bool:
        stored = {name: one for name, one in entries.items() if isinstance(one, StoredEntry)}
        return bool(stored) and state_of(stored) != self._last_state()

    def _stage(self, name: str, entry: Entry) -> tuple[StagedFile, ...] | None:
        """Stage the files of an entry; None if it has changed, or cannot be read."""
        try:
            return self._staging.stage(self._folder, filter(self.sender.needs_content, entry.files))
        except OSError as error:
            self._events.failed(f"{name}: {error.strerror}")
            self._unreadable[name] = entry
            return None

    def _recognize(self, reference: ResumedFrom) -> None:
        self.sender.recognize(self._restored, reference)
        self._reference = None
