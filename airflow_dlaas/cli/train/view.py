"""What a person sees of a training that is followed, as lines of text. No I/O."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta

from airflow_dlaas.cli.attempt_text import describe_attempt, ended_attempts
from airflow_dlaas.cli.data_text import describe_loading, describe_source
from airflow_dlaas.cli.plot import PlotSize, draw_plot, short_number
from airflow_dlaas.cli.train.live_metrics import LiveMetrics, main_series
from airflow_dlaas.cli.training_text import format_duration
from airflow_dlaas.contract.attempt_text import describe_next_attempt
from airflow_dlaas.contract.data_report import LoadProgress
from airflow_dlaas.contract.state import Phase
from airflow_dlaas.contract.training import Training, TrainingStatus

PLOT_LINES = 10
"""Lines of the plot: small enough for a terminal of 24 lines with some lines of the log."""

PLOT_COLUMNS = 78
"""Columns of the plot at most: a curve of a few dozen points is no clearer if it is wider."""

PHASE_WORDS = {
    Phase.QUEUED: "waits for GPUs",
    Phase.PREPARING: "installing the framework and packages",
    Phase.RECOVERING: "recovering",
    Phase.LOADING: "loading code and data",
    Phase.PROCESSING: "training",
    Phase.STORING: "storing the results",
}


@dataclass(slots=True)
class FollowView:
    """The state of a training and of its log, as far as it is known; it changes while the training is followed."""

    training: Training | None = None
    received_at: float = 0.0
    """When `training` was received, by the monotonic clock."""
    current_line: str = ""
    """The newest state of the line that the training is writing: its progress bar."""
    metrics: LiveMetrics = field(default_factory=LiveMetrics)
    metric: str | None = None
    """The metric that the user wants to see."""
    loading: LoadProgress | None = None
    """The progress of the training data, as long as it is loaded."""
    problem: str | None = None
    """Why nothing new can be shown now."""
    _shown_attempts: int = 0
    """The number of the last attempt whose end was shown."""
    _shown_data: int = 0
    """The number of the last attempt whose data was shown."""

    @property
    def may_load(self) -> bool:
        """Whether the training may be loading its data, as far as is known."""
        return self.training is not None and self.training.status.phase in {Phase.PREPARING, Phase.LOADING}

    def update(self, training: Training) -> None:
        """Replace the state of the training."""
        self.training, self.received_at = training, time.monotonic()

    def take_ended_attempts(self) -> list[str]:
        """Return a line for each attempt that has ended since the last call, and that another one follows."""
        if self.training is None:
            return []
        new = [one for one in ended_attempts(self.training) if one.number > self._shown_attempts]
        self._shown_attempts = max((one.number for one in new), default=self._shown_attempts)
        return [describe_next_attempt(self.training, one) for one in new]

    def take_data(self) -> list[str]:
        """Return a line for each source of data that the present attempt has read, once for each attempt."""
        if self.training is None or (report := self.training.status.data) is None:
            return []
        attempt = self.training.status.attempt or 1
        if attempt <= self._shown_data:
            return []
        self._shown_data = attempt
        return [describe_source(one) for one in report.sources]


def state_text(training: Training) -> str:
    """Return the state, the attempt and the phase in words: ``running, attempt 2 of 3, loading code and data``."""
    if training.state.is_final:
        return str(training.state)
    attempt = describe_attempt(training) if (training.status.attempt or 1) > 1 else None
    phase = "is being canceled" if training.status.cancel_requested else _phase_text(training)
    return ", ".join(one for one in (str(training.state), attempt, phase) if one)


def _phase_text(training: Training) -> str | None:
    status = training.status
    if status.waits_for is not None:
        return f"waits for the end of {status.waits_for}"
    if status.queue_position and status.phase is not Phase.RECOVERING:
        return f"waits for GPUs behind {status.queue_position}"
    return None if status.phase is None else PHASE_WORDS[status.phase]


def status_line(view: FollowView) -> str:
    """Return the line with the id, the state and the time."""
    training = view.training
    if training is None:
        return "waiting for the first status"
    since_response = 0.0 if training.state.is_final else time.monotonic() - view.received_at
    elapsed = format_duration(elapsed_time(training.status) + timedelta(seconds=since_response))
    loading = f"  {describe_loading(view.loading)}" if view.loading is not None else ""
    return f"{training.id}  {state_text(training)}  {elapsed}{loading}"


def elapsed_time(status: TrainingStatus) -> timedelta:
    """Return how long a training has been running, or waiting if it has not run yet, by the service's clock."""
    return (status.finished_at or status.current_at) - (status.running_at or status.submitted_at)


def plot_lines(view: FollowView, width: int) -> list[str]:
    """Return the plot of the training's main metric; empty before its second value."""
    series = main_series(view.metrics.series, view.metric)
    if series is None or len(series.points) < 2:
        return []
    title = series.label + (" (from the progress bar)" if series.is_progress else "")
    return draw_plot(title, series.points, PlotSize(min(width, PLOT_COLUMNS), PLOT_LINES), series.axis)


def metrics_line(view: FollowView) -> str:
    """Return the newest value of each metric, in one line."""
    return "  ".join(f"{name} {short_number(value)}" for name, value in view.metrics.latest().items())
