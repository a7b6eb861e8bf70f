"""Follows what the command writes, and keeps the metrics in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, ClassVar

from airflow_dlaas.service.learner.background import alongside
from airflow_dlaas.service.metrics.metric_phases import split
from airflow_dlaas.service.regular_file import open_regular

if TYPE_CHECKING:
    from airflow_dlaas.contract.metric_definition import MetricDefinition
    from airflow_dlaas.contract.training import Metric

    Read = Callable[[str, datetime], Iterator[Metric]]

EVERY = 0.5
"""Seconds between looks: how old a loss curve may be."""

POINTS_LIMIT = 250_000
"""The most values kept of one training from each source: its event files, its log, its own metrics file."""

BATCH = 2000
"""Metrics that are written together."""

CHUNK = 1 << 16

BACKLOG = 4 * 1024**2
"""Bytes that are read at one look; of what came faster (nobody prints metrics that fast), only the end is."""

LINE_LIMIT = 4096
"""Bytes that are kept of a line; metrics stand at its end."""


@dataclass(slots=True)
class Tail:
    """Reads the new whole lines of a growing file; of a line that never ends, only the last characters are kept."""

    path: Path
    offset: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def lines(self, *, last: bool = False) -> Iterator[str]:
        """Give the lines that have come since the last time; with *last*, an unfinished one too."""
        try:
            file = os.fdopen(open_regular(self.path, os.O_RDONLY), "rb")
        except OSError:  # not there (yet), or no regular file
            return
        with file:
            end = file.seek(0, os.SEEK_END)
            if not end - BACKLOG <= self.offset <= end:  # Beyond the end, where the file was cut.
                self.offset, self._rest = max(0, end - BACKLOG) if self.offset < end else end, b""
            file.seek(self.offset)
            while chunk := file.read(min(CHUNK, end - self.offset)):
                self.offset += len(chunk)
                *whole, self._rest = (self._rest + chunk).split(b"\n")
                self._rest = self._rest[-LINE_LIMIT:]
                for line in whole:
                    yield line.decode("utf-8", "replace")
        if last and self._rest:
            yield self._rest.decode("utf-8", "replace")
            self._rest = b""


class Follower:
    """
    Turns what is new in the command's log, its own metrics file and its event files into lines of ``metrics.jsonl``.

    What event files tell under a name is not taken from the log as well: they have every step of it. With *definitions*
    the log is read by these alone, and what they name is not taken from event files.
    """

    limit: ClassVar[int] = POINTS_LIMIT
    """The most values kept from each source."""

    def __init__(
        self,
        log: Path,
        own: Path,
        metrics: Path,
        *,
        events: Sequence[Path],
        complain: Callable[[str], None],
        definitions: Sequence[MetricDefinition] = (),
        note: Callable[[list[Path]], None] = lambda _: None,
    ) -> None:
        # Not above: these take a tenth of a second to import, and while the command starts, nobody waits for it.
        from airflow_dlaas.service.learner.event_files import EventFollower
        from airflow_dlaas.service.metrics import jsonl_metrics
        from airflow_dlaas.service.metrics.log_metrics import LogMetrics

        self._metrics = metrics
        self._board = Ration("event files", complain, self.limit)
        self._events = EventFollower(events, complain)
        self._folders: list[Path] = []
        self._note = note
        self._told_by_events: set[tuple[str, str]] = set()
        self._defined = {split("", one.name) for one in definitions}
        self.unfound: Callable[[], list[str]] = list
        """Names the metrics that are defined and that no line has told of."""
        read_log: Read = _at_most_one(LogMetrics().feed)
        if definitions:
            from airflow_dlaas.service.metrics.regex_metrics import DefinedMetrics

            defined = DefinedMetrics(definitions)
            read_log, self.unfound = defined.feed, defined.unfound
        self._sources = (
            (Tail(log), read_log, Ration("the log", complain, self.limit)),
            (Tail(own), _at_most_one(jsonl_metrics.read_line), Ration("its own metrics", complain, self.limit)),
        )

    def look(self, *, last: bool = False) -> None:
        """Take in what has come since the last look."""
        now = datetime.now(timezone.utc)
        for batch in _batches(self._new(now, last=last)):
            with self._metrics.open("a", encoding="utf-8") as file:
                file.write("".join(f"{one.model_dump_json()}\n" for one in batch))
        if (folders := self._events.folders()) != self._folders:
            self._folders = folders
            self._note(folders)

    def _new(self, now: datetime, *, last: bool) -> Iterator[Metric]:
        for metric in self._board.deal(self._events.look(last=last), but=self._defined):
            self._told_by_events.update(split(metric.phase, value.name) for value in metric.values)
            yield metric
        for tail, read, ration in self._sources:
            found = (metric for line in tail.lines(last=last) for metric in read(line, now))
            yield from ration.deal(found, but=self._told_by_events)


@dataclass(slots=True)
class Ration:
    """How much is kept of one source, so that a talkative one takes nothing from the others."""

    source: str
    complain: Callable[[str], None]
    limit: int
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.limit

    def deal(self, metrics: Iterator[Metric], *, but: AbstractSet[tuple[str, str]]) -> Iterator[Metric]:
        """Give *metrics*, without the values that *but* names, as long as the ration lasts."""
        for found in metrics:
            for metric in _without(but, found) if self.left > 0 else ():
                self.left -= len(metric.values)
                yield metric
                if self.left <= 0:
                    self.complain(f"No more than {self.limit:,} values of {self.source} are kept")


def _without(told: AbstractSet[tuple[str, str]], metric: Metric) -> Iterator[Metric]:
    """Leave out of *metric* the values that are *told* elsewhere."""
    left = tuple(one for one in metric.values if split(metric.phase, one.name) not in told)
    if left:
        yield metric.model_copy(update={"values": left})


def _at_most_one(read: Callable[[str, datetime], Metric | None]) -> Read:
    def each(line: str, now: datetime) -> Iterator[Metric]:
        found = read(line, now)
        if found is not None:
            yield found

    return each


def _batches(metrics: Iterator[Metric]) -> Iterator[list[Metric]]:
    """Take *metrics* in turns of a bounded number: an event file may hold a million."""
    while batch := list(islice(metrics, BATCH)):
        yield batch


@contextmanager
def following(
    log: Path,
    own: Path,
    metrics: Path,
    complain: Callable[[str], None],
    *,
    events: Sequence[Path] = (),
    definitions: Sequence[MetricDefinition] = (),
    tell: Callable[[str], None] = lambda _: None,
    note: Callable[[list[Path]], None] = lambda _: None,
) -> Iterator[None]:
    """
    Follow from a thread while the block runs; at its end, everything written is taken in.

    Whoever wrote *definitions* is told of those that found nothing; *note* is given the folders with event files.
    """

    def body(done: Event) -> None:
        follower = Follower(log, own, metrics, events=events, complain=complain, definitions=definitions, note=note)
        try:
            while not done.wait(EVERY):
                follower.look()
            follower.look(last=True)
            for name in follower.unfound():
                tell(f"Metric {name!r}: its expression found no number in this log")
        except OSError as error:
            # A full disk, most likely. The curve ends here; the training must not.
            complain(f"Metrics are not recorded any more: {error.strerror}")

    with alongside(body):
        yield
