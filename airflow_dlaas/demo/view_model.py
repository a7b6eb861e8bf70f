"""The data that the demo shows, as values. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from airflow_dlaas.contract.curves import metric_label
from airflow_dlaas.contract.training import Training

StepState = Literal["waiting", "running", "done", "failed"]


class TaskInfo(Protocol):
    """The attributes of a task instance that this module reads."""

    @property
    def task_id(self) -> str: ...
    @property
    def state(self) -> str | None: ...
    @property
    def seconds(self) -> float | None: ...


@dataclass(frozen=True)
class StartupStep:
    """A step of the start, before the DAG runs."""

    name: str
    state: StepState = "waiting"
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class TaskRow:
    """One task of the DAG run; ``seconds`` grows while the task runs."""

    task: str
    state: str
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True)
class DemoView:
    """Everything that the demo shows at one moment."""

    steps: tuple[StartupStep, ...] = ()
    rows: tuple[TaskRow, ...] = ()
    training: str = ""
    """The training and its state."""
    metrics: str = ""
    """The last metrics of the training."""
    log_line: str = ""
    """The last line of the log of the task that started last."""


def task_rows(tasks: Iterable[TaskInfo], task_order: Sequence[str], notes: Mapping[str, str]) -> tuple[TaskRow, ...]:
    """Return *tasks* as rows in the order of *task_order*; tasks that it does not name come last."""
    position = {task: number for number, task in enumerate(task_order)}
    return tuple(
        TaskRow(task.task_id, task.state or "waiting", task.seconds, notes.get(task.task_id, ""))
        for task in sorted(tasks, key=lambda task: position.get(task.task_id, len(position)))
    )


def training_line(training: Training) -> str:
    """Return state, phase and GPUs of *training* in one line."""
    status = training.status
    phase = f", {status.phase}" if status.phase is not None and not status.state.is_final else ""
    gpus = f" on {', '.join(status.gpus)}" if status.gpus and not status.state.is_final else ""
    return f"{training.id}: {status.state}{phase}{gpus}"


def metrics_line(training: Training) -> str:
    """Return the last metrics of *training* in one line; empty if there are none."""
    if not training.status.metrics:
        return ""
    newest = training.status.metrics[0]
    values = ", ".join(
        f"{metric_label(one.phase, value.name)} {value.value:.4g}"
        for one in training.status.metrics
        if (one.iteration, one.timestamp) == (newest.iteration, newest.timestamp)
        for value in one.values
    )
    return f"iteration {newest.iteration}: {values}"


def topological_order(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the task ids, each after its upstream tasks; *edges* has the downstream tasks of each task."""
    waiting = {task: {up for up, downs in edges.items() if task in downs} for task in edges}
    ordered: list[str] = []
    while waiting:
        ready = [task for task, ups in waiting.items() if ups <= set(ordered)]
        if not ready:  # a cycle: Airflow accepts none, so its response was misunderstood
            return ordered + list(waiting)
        ordered += ready
        for task in ready:
            del waiting[task]
    return ordered


def change_lines(before: DemoView, after: DemoView) -> Iterator[str]:
    """
    Yield one line for each change from *before* to *after*, for an output that is not a terminal.

    Changed seconds, notes and metrics are no change here: such an output is read later, for what happened.
    """
    step_states = {step.name: step.state for step in before.steps}
    for step in after.steps:
        if step_states.get(step.name) != step.state and step.state != "waiting":
            took = f" ({step.seconds:.1f} s)" if step.state == "done" else ""
            yield f"{step.name}: {step.state}{took}{_note_suffix(step.note) if step.state != 'done' else ''}"
    old_rows = {row.task: row for row in before.rows}
    for row in after.rows:
        old = old_rows.get(row.task)
        if (old is None and row.state == "waiting") or (old and old.state == row.state):
            continue
        ended = row.state in FINAL_TASK_STATES
        took = f" ({row.seconds:.1f} s)" if row.seconds is not None and ended else ""
        yield f"{row.task}: {row.state}{took}{_note_suffix(row.note) if ended else ''}"
    if after.training and after.training != before.training:
        yield after.training


FINAL_TASK_STATES = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States that a task leaves only if it is cleared or set."""

_AIRFLOW_LOG_LINE = re.compile(
    r"^(::(end)?group::|DAG bundles loaded|Filling up the DagBag|Worker startup|Pushing xcom|Done\. Returned"
    r"|Pausing task as|Task failed with exception|trigger (completed|.* starting)$|Trigger fired event"
    r"|(https?:/)?/.*\.log$)"
)
"""Lines that Airflow itself writes into the log of every task."""


def task_log_lines(log: Iterable[str]) -> list[str]:
    """Return the lines of a task's *log* that the task wrote, without the lines of Airflow."""
    lines = [line for event in log for line in event.splitlines()]
    return [line.strip() for line in lines if line.strip() and not _AIRFLOW_LOG_LINE.match(line)]


def _note_suffix(note: str) -> str:
    return f": {note}" if note else ""
