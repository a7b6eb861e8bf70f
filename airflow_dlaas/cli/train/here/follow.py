"""Shows the files of a job while they grow: its log, its metrics and its phase, until `exit.json` is there."""

from __future__ import annotations

import codecs
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from airflow_dlaas.cli.train.here.training import HereTraining
from airflow_dlaas.cli.train.log_lines import LogLines
from airflow_dlaas.cli.train.output import PlainOutput
from airflow_dlaas.cli.train.view import FollowView
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.job_files import READ_ERRORS, JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ExitFile, PhaseFile, ProcessIdentity, ResourcesFile
from airflow_dlaas.service.regular_file import open_regular_fd
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.runners.local import LocalRunner

ModelT = TypeVar("ModelT", bound=BaseModel)

POLL_INTERVAL = 0.05
"""Seconds between two looks at the job's files."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that cancel the job: Ctrl-C, and the end of the terminal or of the console."""


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Collect the signals of `STOP_SIGNALS` in a list during the block, instead of ending the process."""
    received: list[int] = []

    def collect(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before: dict[int, Any] = {number: signal.signal(number, collect) for number in STOP_SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(slots=True)
class GrowingFile:
    """Reads what was appended to a file since the last call."""

    path: Path
    _offset: int = 0

    def read(self) -> bytes:
        """Return the new bytes; none if the file does not exist (yet)."""
        try:
            with os.fdopen(open_regular_fd(self.path, os.O_RDONLY), "rb") as file:
                file.seek(self._offset)
                content = file.read()
        except OSError:
            return b""
        self._offset += len(content)
        return content


@dataclass(slots=True)
class JobFollower:
    """One job, as it is shown."""

    job: JobDirectory
    runner: LocalRunner
    training: HereTraining
    output: PlainOutput
    view: FollowView
    grace: float
    """Seconds that the command has to save its state when it is canceled."""
    _lines: LogLines = field(default_factory=LogLines)
    _decoder: Any = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))
    _partial_metric: bytes = b""

    def follow(self, handle: str, requests: list[int]) -> ExitFile | None:
        """
        Show the job until its learner has ended; return how it ended, None if the learner was lost.

        :param requests: grows with each request to stop: the first one cancels the job, the second one kills it.
        """
        log, metrics, handled = GrowingFile(self.job.log), GrowingFile(self.job.metrics), 0
        with self.output.following(self.view):
            while True:
                is_alive = self.runner.poll({handle: self.job})[handle] in (Liveness.ALIVE, Liveness.WAITING)
                self._show_phase()
                self._show_log(log.read(), final=not is_alive)
                self._show_metrics(metrics.read())
                if not is_alive:
                    ended = _read(self.job.exit, ExitFile)
                    self.view.update(self.training.ended(ended, self.read_resources()))
                    self.output.update(self.view)
                    return ended
                if len(requests) > handled:
                    handled = len(requests)
                    self._stop(handle, kill=handled > 1)
                time.sleep(POLL_INTERVAL)

    def read_resources(self) -> ResourcesFile | None:
        """Return what the command was given and has used; None if that is not known (yet)."""
        return _read(self.job.resources, ResourcesFile)

    def _stop(self, handle: str, *, kill: bool) -> None:
        if not kill:
            self.output.step(
                "stopping", f"the command gets SIGTERM, and {self.grace:g} seconds to save; Ctrl-C again kills it"
            )
            self.runner.stop([handle], {handle: self.job})
        elif (process := _read(self.job.run, ProcessIdentity)) is not None:
            self.output.step("stopping", "the command is killed")
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            self.runner.kill_leftovers(self.job)

    def _show_phase(self) -> None:
        if (phase := _read(self.job.phase, PhaseFile)) is not None and self.training.enter(phase):
            self.view.update(self.training.running())
            self.output.update(self.view)

    def _show_log(self, content: bytes, *, final: bool) -> None:
        if text := self._decoder.decode(content, final):
            self.output.log(text, self._lines.feed(text))
            self.view.current_line = self._lines.current
        if final:
            self.output.end_log(self._lines.rest())
            self.view.current_line = ""

    def _show_metrics(self, content: bytes) -> None:
        *lines, self._partial_metric = (self._partial_metric + content).split(b"\n")
        for line in lines:
            with suppress(ValidationError):  # a command without a sandbox can write into the file
                self.view.metrics.add([Metric.model_validate_json(line)])


def _read(path: Path, model: type[ModelT]) -> ModelT | None:
    """Return the content of a job file; None if it is missing, or if a command without a sandbox has damaged it."""
    with suppress(*READ_ERRORS):
        return read_job_file(path, model)
    return None
