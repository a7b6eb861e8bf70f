"""What a person sees of a training that is followed, as lines of text. No I/O."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta

from airflow_dlaas.cli.plot import PlotSize, draw_plot, short_number
from airflow_dlaas.cli.train.live_metrics import LiveMetrics, main_series
from airflow_dlaas.cli.training_text import format_duration
from airflow_dlaas.contract.state import Phase
from airflow_dlaas.contract.training import Training, TrainingStatus

PLOT_LINES = 10
"""Lines of the plot: small enough for a terminal of 24 lines with some lines of the log."""

PLOT_COLUMNS = 78
"""Columns of the plot at most: a curve of a few dozen points is no clearer if it is wider."""

PHASE_WORDS = {
    Phase.QUEUED: "waits for GPUs",
    Phase.PREPARING: "installing the framework and packages",
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
    problem: str | None = None
    """Why nothing new can be shown now."""

    def update(self, training: Training) -> None:
        """Replace the state of the training."""
        self.training, self.received_at = training, time.monotonic()


def state_text(training: Training) -> str:
    """Return the state and the phase in words: ``running, loading code and data``."""
    status = training.status
    if training.state.is_final:
        return str(training.state)
    if status.cancel_requested:
        return f"{training.state}, is being canceled"
    if status.queue_position:
        return f"{training.state}, waits for GPUs behind {status.queue_position}"
    phase = None if status.phase is None else PHASE_WORDS[status.phase]
    return str(training.state) if phase is None else f"{training.state}, {phase}"


def status_line(view: FollowView) -> str:
    """Return the line with the id, the state and the time."""
    training = view.training
    if training is None:
        return "waiting for the first status"
    since_response = 0.0 if training.state.is_final else time.monotonic() - view.received_at
    elapsed = format_duration(elapsed_time(training.status) + timedelta(seconds=since_response))
    return f"{training.id}  {state_text(training)}  {elapsed}"


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
