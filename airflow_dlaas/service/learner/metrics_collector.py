"""Collects metrics from what the command writes: its log, its metrics file and its event files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, ClassVar

from airflow_dlaas._util.threads import background_thread
from airflow_dlaas.service.learner.earlier_content import NOTHING_EARLIER, EarlierContent, end_last_line
from airflow_dlaas.service.learner.secret_mask import NO_SECRETS, SecretMask
from airflow_dlaas.service.learner.tail_reader import TailReader
from airflow_dlaas.service.metrics.metric_phases import split_phase

if TYPE_CHECKING:
    from airflow_dlaas.contract.metric_definition import MetricDefinition
    from airflow_dlaas.contract.training import Metric

    LineParser = Callable[[str, datetime, bool], Iterator[Metric]]
    """Parses a line, or a state of a line that is redrawn (True); see `tail_reader.LineState`."""

COLLECT_INTERVAL = 0.5
"""Seconds between two reads, the maximum age of a curve's end."""

MAX_VALUES_PER_SOURCE = 250_000
"""Values that are kept for one training from each source: event files, log, own metrics file."""

BATCH_SIZE = 2000
"""Metrics written in one append."""


class MetricsCollector:
    """
    Appends new metrics of the command's log, its own metrics file and its event files to ``metrics.jsonl``.

    A name that event files have is not taken from the log, because event files have each step. With *definitions*, only
    these read the log, and the names that they define are not taken from event files. Values of progress bars have a
    limit of their own, so that they leave room for those of whole epochs.

    Metrics of *earlier* attempts are left out, and those of a further attempt have its number.
    """

    max_values: ClassVar[int] = MAX_VALUES_PER_SOURCE
    """Values that are kept from each source."""

    def __init__(
        self,
        log: Path,
        user_metrics: Path,
        output: Path,
        *,
        event_dirs: Sequence[Path],
        logger: logging.Logger,
        definitions: Sequence[MetricDefinition] = (),
        on_event_dirs: Callable[[list[Path]], None] = lambda _: None,
        earlier: EarlierContent = NOTHING_EARLIER,
    ) -> None:
        # Imported here, while the command starts: it takes a tenth of a second.
        from airflow_dlaas.service.learner.event_files import EventFileReader
        from airflow_dlaas.service.metrics.log_metrics import LogMetricsParser

        self._output = output
        self._attempt = earlier.attempt
        self.mask = NO_SECRETS
        """Masks the names of metrics: a command can make one of a secret, in a file of its own."""
        self._event_quota = SourceQuota("event files", logger, self.max_values)
        self._event_reader = EventFileReader(event_dirs, logger, ignored=earlier.event_files)
        self._event_dirs: list[Path] = []
        self._on_event_dirs = on_event_dirs
        self._event_metric_names: set[tuple[str, str]] = set()
        self._defined_names = {split_phase("", one.name) for one in definitions}
        self.unmatched_names: Callable[[], list[str]] = list
        """Returns the names of defined metrics that no line has matched."""
        read_log: LineParser = LogMetricsParser().parse_state
        if definitions:
            from airflow_dlaas.service.metrics.regex_metrics import RegexMetricsParser

            defined = RegexMetricsParser(definitions)
            read_log, self.unmatched_names = defined.parse_line, defined.unmatched_metrics
        self._sources = (
            (TailReader(log, earlier.log_size), read_log, SourceQuota("the log", logger, self.max_values)),
            (TailReader(user_metrics), _read_own_line, SourceQuota("its own metrics", logger, self.max_values)),
        )

    def collect(self, *, final: bool = False) -> None:
        """Append the metrics since the last call."""
        now = datetime.now(timezone.utc)
        for batch in _batches(self._read_new(now, final=final)):
            with self._output.open("a", encoding="utf-8") as file:
                file.write("".join(f"{one.model_dump_json(exclude_none=True)}\n" for one in self._completed(batch)))
        if (folders := self._event_reader.event_dirs()) != self._event_dirs:
            self._event_dirs = folders
            self._on_event_dirs(folders)

    def _completed(self, metrics: list[Metric]) -> list[Metric]:
        if self._attempt > 1:
            metrics = [one.model_copy(update={"attempt": self._attempt}) for one in metrics]
        return [_mask_names(one, self.mask) for one in metrics] if self.mask.forms else metrics

    def _read_new(self, now: datetime, *, final: bool) -> Iterator[Metric]:
        for metric in self._event_quota.take(self._event_reader.read_new(final=final), excluded=self._defined_names):
            self._event_metric_names.update(split_phase(metric.phase, value.name) for value in metric.values)
            yield metric
        for tail, read, quota in self._sources:
            states = tail.read_states(final=final)
            found = (metric for text, is_redrawn in states for metric in read(text, now, is_redrawn))
            yield from quota.take(found, excluded=self._event_metric_names)


@dataclass(slots=True)
class SourceQuota:
    """
    The number of values that one source may add, so that no source uses up the limit of another.

    Values of progress bars have a limit of their own: they leave room for those of whole epochs.
    """

    source: str
    logger: logging.Logger
    limit: int
    _used: Counter[str] = field(default_factory=Counter)

    def take(self, metrics: Iterator[Metric], *, excluded: AbstractSet[tuple[str, str]]) -> Iterator[Metric]:
        """Yield *metrics* without the *excluded* names, until the quota is used up."""
        for found in metrics:
            source = f"progress bars in {self.source}" if found.progress else self.source
            for metric in _exclude_values(excluded, found) if self._used[source] < self.limit else ():
                self._used[source] += len(metric.values)
                yield metric
                if self._used[source] >= self.limit:
                    self.logger.warning(
                        "The limit of %s values from %s is reached; the rest is dropped", f"{self.limit:,}", source
                    )


def _exclude_values(excluded: AbstractSet[tuple[str, str]], metric: Metric) -> Iterator[Metric]:
    """Yield *metric* without the *excluded* values, if any value is left."""
    left = tuple(one for one in metric.values if split_phase(metric.phase, one.name) not in excluded)
    if left:
        yield metric.model_copy(update={"values": left})


def _mask_names(metric: Metric, mask: SecretMask) -> Metric:
    values = tuple(one.model_copy(update={"name": mask.text(one.name)}) for one in metric.values)
    folder = None if metric.event_folder is None else mask.text(metric.event_folder)
    return metric.model_copy(update={"values": values, "phase": mask.text(metric.phase), "event_folder": folder})


def _read_own_line(line: str, now: datetime, is_redrawn: bool) -> Iterator[Metric]:
    from airflow_dlaas.service.metrics.jsonl_metrics import parse_line

    metric = None if is_redrawn else parse_line(line, now)
    if metric is not None:
        yield metric


def _batches(metrics: Iterator[Metric]) -> Iterator[list[Metric]]:
    """Yield *metrics* in lists of at most `BATCH_SIZE`: an event file may hold a million."""
    while batch := list(islice(metrics, BATCH_SIZE)):
        yield batch


@contextmanager
def collect_metrics(
    log: Path,
    user_metrics: Path,
    output: Path,
    logger: logging.Logger,
    *,
    event_dirs: Sequence[Path] = (),
    definitions: Sequence[MetricDefinition] = (),
    on_unmatched: Callable[[str], None] = lambda _: None,
    on_event_dirs: Callable[[list[Path]], None] = lambda _: None,
    mask: SecretMask = NO_SECRETS,
    earlier: EarlierContent = NOTHING_EARLIER,
) -> Iterator[None]:
    """
    Collect metrics in a thread while the block runs; when it ends, everything that was written is collected.

    :param on_unmatched: called at the end for each of *definitions* that matched no line.
    :param on_event_dirs: called with the folders of event files when they change.
    :param mask: masks the names of metrics.
    :param earlier: what was there before the command began.
    """

    def body(done: Event) -> None:
        collector = MetricsCollector(
            log,
            user_metrics,
            output,
            event_dirs=event_dirs,
            logger=logger,
            definitions=definitions,
            on_event_dirs=on_event_dirs,
            earlier=earlier,
        )
        collector.mask = mask
        try:
            end_last_line(output)
            while not done.wait(COLLECT_INTERVAL):
                collector.collect()
            collector.collect(final=True)
            for name in collector.unmatched_names():
                on_unmatched(f"Metric {name!r}: its expression found no number in this log")
        except OSError as error:
            # Most likely a full disk. The curve ends here; the training continues.
            logger.warning("Metrics are no longer recorded: %s", error.strerror)

    with background_thread(body, name="metrics"):
        yield
