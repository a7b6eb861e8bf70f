"""What there is to see of a demo, as values; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from airflow_dlaas.contract.training import Training

StepState = Literal["waiting", "running", "done", "failed"]


class TaskInfo(Protocol):
    """The part of a task instance that is read here."""

    @property
    def task_id(self) -> str: ...
    @property
    def state(self) -> str | None: ...
    @property
    def seconds(self) -> float | None: ...


@dataclass(frozen=True)
class StartupStep:
    """Something that is done once before the DAG runs."""

    name: str
    state: StepState = "waiting"
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class TaskRow:
    """One task of the DAG run. ``seconds`` counts up while it runs."""

    task: str
    state: str
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True)
class DemoView:
    """All there is to see at one moment."""

    steps: tuple[StartupStep, ...] = ()
    rows: tuple[TaskRow, ...] = ()
    training: str = ""
    """The training and its state."""
    metrics: str = ""
    """What the training measured last."""
    log_line: str = ""
    """The last line of a task's log."""


def task_rows(tasks: Iterable[TaskInfo], task_order: Sequence[str], notes: Mapping[str, str]) -> tuple[TaskRow, ...]:
    """The *tasks* as rows, in the DAG's *order*; a task that the order does not name comes last."""
    place = {task: number for number, task in enumerate(task_order)}
    return tuple(
        TaskRow(task.task_id, task.state or "waiting", task.seconds, notes.get(task.task_id, ""))
        for task in sorted(tasks, key=lambda task: place.get(task.task_id, len(place)))
    )


def training_line(training: Training) -> str:
    """What *training* is at, in one line: state, phase, GPUs."""
    status = training.status
    phase = f", {status.phase}" if status.phase is not None and not status.state.is_final else ""
    gpus = f" on {', '.join(status.gpus)}" if status.gpus and not status.state.is_final else ""
    return f"{training.id}: {status.state}{phase}{gpus}"


def metrics_line(training: Training) -> str:
    """What *training* measured last, in one line; empty when it has measured nothing."""
    if not training.status.metrics:
        return ""
    last = training.status.metrics[-1]
    values = ", ".join(f"{value.name} {value.value:.4g}" for value in last.values)
    return f"iteration {last.iteration}{f' ({last.phase})' if last.phase else ''}: {values}"


def topological_order(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Task ids so that each comes after all it waits for; *edges* are each task's downstream tasks."""
    waiting = {task: {up for up, downs in edges.items() if task in downs} for task in edges}
    ordered: list[str] = []
    while waiting:
        ready = [task for task, ups in waiting.items() if ups <= set(ordered)]
        if not ready:  # Airflow refuses a DAG with a cycle, so this is an answer we did not understand
            return ordered + list(waiting)
        ordered += ready
        for task in ready:
            del waiting[task]
    return ordered


def change_lines(before: DemoView, after: DemoView) -> Iterator[str]:
    """
    What is new in *after*, one line a change, for an output that can't be painted over.

    Seconds alone are no change, nor are passing notes and numbers: an output read later wants to know what happened.
    """
    known = {step.name: step.state for step in before.steps}
    for step in after.steps:
        if known.get(step.name) != step.state and step.state != "waiting":
            took = f" ({step.seconds:.1f} s)" if step.state == "done" else ""
            yield f"{step.name}: {step.state}{took}{_note_suffix(step.note) if step.state != 'done' else ''}"
    seen = {row.task: row for row in before.rows}
    for row in after.rows:
        old = seen.get(row.task)
        if (old is None and row.state == "waiting") or (old and old.state == row.state):
            continue
        ended = row.state in FINAL_TASK_STATES
        took = f" ({row.seconds:.1f} s)" if row.seconds is not None and ended else ""
        yield f"{row.task}: {row.state}{took}{_note_suffix(row.note) if ended else ''}"
    if after.training and after.training != before.training:
        yield after.training


FINAL_TASK_STATES = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States of a task that it does not leave by itself."""

_AIRFLOW_LOG_LINE = re.compile(
    r"^(::(end)?group::|DAG bundles loaded|Filling up the DagBag|Worker startup|Pushing xcom|Done\. Returned"
    r"|Pausing task as|Task failed with exception|trigger (completed|.* starting)$|Trigger fired event"
    r"|(https?:/)?/.*\.log$)"
)
"""What Airflow itself writes into every task's log."""


def task_log_lines(log: Iterable[str]) -> list[str]:
    """The lines of a task's *log* that the task itself wrote, without what Airflow puts around them."""
    lines = [line for event in log for line in event.splitlines()]
    return [line.strip() for line in lines if line.strip() and not _AIRFLOW_LOG_LINE.match(line)]


def _note_suffix(note: str) -> str:
    return f": {note}" if note else ""
