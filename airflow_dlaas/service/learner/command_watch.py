"""Watches the running command for its watchdog: warns in the log and in stalls.json, or stops the command."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event

from airflow_dlaas._util.threads import background_thread
from airflow_dlaas.contract.base import format_time
from airflow_dlaas.contract.training import ResourceUsage
from airflow_dlaas.contract.watchdog import Watchdog, WatchdogAction
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.job_files import READ_ERRORS, JobDirectory, read_job_file, write_job_file
from airflow_dlaas.service.learner.log_writer import LogWriter
from airflow_dlaas.service.learner.watchdog import (
    CommandActivity,
    Finding,
    find_stalls,
    has_recovered,
    seconds_until_check,
)
from airflow_dlaas.service.stall_report import Stall, StallCause, StallsFile

MAX_REPORTED_STALLS = 20
"""Stalls of one training that are reported: a command that writes once a minute must not fill its log with warnings."""

RECOVERY_TEXTS = {
    StallCause.SILENT: "the command writes to its log again",
    StallCause.IDLE_GPU: "the GPUs are used again",
}


def _no_stop_reason() -> None:
    return None


@contextmanager
def watch_command(
    watchdog: Watchdog | None, job: JobDirectory, log: LogWriter, *, has_gpus: bool, wake: Callable[[], None]
) -> Iterator[Callable[[], str | None]]:
    """
    Watch the command that runs in the block; yield a function that returns why it is to be stopped, or None.

    :param wake: called from another thread when there is a reason to stop.
    """
    if watchdog is None:
        yield _no_stop_reason
        return
    if watchdog.gpu_below is not None and not has_gpus:
        log.write_message("The watchdog's limit gpu_below has no effect: the training has no physical GPU")
    watch = CommandWatch(watchdog, job, log, wake)

    def body(done: Event) -> None:
        while not done.wait(watch.check()):
            pass

    try:
        with background_thread(body, name="watchdog"):
            yield lambda: watch.stop_reason
    finally:
        watch.close()


@dataclass(slots=True)
class CommandWatch:
    """
    The watch over one running command, which starts now. Its methods are called by one thread at a time.

    :param clock: the clock of *log*; *utc_clock* gives the same moments as dates.
    """

    watchdog: Watchdog
    job: JobDirectory
    log: LogWriter
    wake: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    utc_clock: Callable[[], datetime] = utc_now
    stop_reason: str | None = None
    """Why the command is to be stopped."""
    activity: CommandActivity = field(init=False)
    _reported: list[Stall] = field(default_factory=list)
    _open: dict[StallCause, float] = field(default_factory=dict)
    """Since when the command passes a limit, by *clock*."""
    _more_seconds: float = 0.0
    _measured_at: datetime | None = None

    def __post_init__(self) -> None:
        self.activity = CommandActivity(self.clock())

    def check(self) -> float:
        """Check the command now; return the seconds until the next check."""
        now = self.clock()
        self._read_activity(now)
        for cause in tuple(self._open):
            if has_recovered(cause, self.watchdog, self.activity, now) and self._end(cause, now):
                self._write_file()
                self.log.write_message(f"Watchdog: {RECOVERY_TEXTS[cause]}")
        for finding in find_stalls(self.watchdog, self.activity, now):
            if finding.cause not in self._open:
                self._begin(finding, now)
        return seconds_until_check(self.watchdog, self.activity, now)

    def close(self) -> None:
        """End the open stalls: the command has ended."""
        now = self.clock()
        for cause in tuple(self._open):
            self._end(cause, now)
        if self._reported:
            self._write_file()

    def _read_activity(self, now: float) -> None:
        self.activity.output_at = self.log.output_at
        if self.watchdog.gpu_below is None:
            return
        with suppress(*READ_ERRORS):
            usage = read_job_file(self.job.usage, ResourceUsage)
            if usage is not None and usage.at != self._measured_at:
                self._measured_at = usage.at
                self.activity.add_usage(usage, now, self.watchdog.gpu_window)

    def _begin(self, finding: Finding, now: float) -> None:
        self._open[finding.cause] = finding.since
        if len(self._reported) < MAX_REPORTED_STALLS:
            since = self._date(finding.since, now)
            text = f"the command has done no work since {format_time(since)}: {finding.text}"
            self._reported.append(Stall(cause=finding.cause, text=text, since=since))
            self._write_file()
            self.log.write_message(f"Watchdog: {text}")
            if len(self._reported) == MAX_REPORTED_STALLS:
                self.log.write_message("Watchdog: further times without work are counted, and not reported")
        if self.watchdog.action is WatchdogAction.CANCEL and self.stop_reason is None:
            self.stop_reason = finding.text
            self.wake()

    def _end(self, cause: StallCause, now: float) -> bool:
        """End the open stall of *cause*; return whether it was reported."""
        seconds = now - self._open.pop(cause)
        for index, stall in enumerate(self._reported):
            if stall.cause is cause and stall.until is None:
                self._reported[index] = stall.model_copy(update={"until": self._date(now, now)})
                return True
        self._more_seconds += seconds
        return False

    def _write_file(self) -> None:
        """Write stalls.json; on a full disk, the log has the warning, and the command continues."""
        with suppress(OSError):
            write_job_file(self.job.stalls, StallsFile(stalls=tuple(self._reported), more_seconds=self._more_seconds))

    def _date(self, moment: float, now: float) -> datetime:
        return self.utc_clock() - timedelta(seconds=now - moment)
