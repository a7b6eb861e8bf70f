"""Show a `DemoView`: a live display on a terminal, one line for each change elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from airflow_dlaas.demo.view_model import DemoView, StartupStep, TaskRow, change_lines

if TYPE_CHECKING:
    from typing import Self

METRICS_INTERVAL = 10.0
"""Seconds between two lines with metrics of a training, where there is no terminal."""

STATE_STYLES = {
    "done": "green",
    "success": "green",
    "running": "cyan",
    "deferred": "magenta",
    "queued": "yellow",
    "scheduled": "yellow",
    "up_for_retry": "yellow",
    "failed": "red",
    "upstream_failed": "red",
}


class Display:
    """A context manager that shows views while it is active; `console` prints above them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._view = DemoView()
        self._printed_metrics, self._metrics_printed_at = "", 0.0
        self._spinner = Spinner("dots")
        self._live = (
            Live(get_renderable=self._render, console=console, refresh_per_second=8) if console.is_terminal else None
        )

    def show(self, view: DemoView) -> None:
        """Show *view* in place of the previous one."""
        if self._live is None:
            for line in change_lines(self._view, view):
                self._print(line)
            if (
                view.metrics != self._printed_metrics
                and time.monotonic() - self._metrics_printed_at >= METRICS_INTERVAL
            ):
                self._printed_metrics, self._metrics_printed_at = view.metrics, time.monotonic()
                self._print(view.metrics)
        self._view = view

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def _print(self, line: str) -> None:
        self.console.print(escape(line), highlight=False, soft_wrap=True)

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = [_steps_table(self._view.steps, self._spinner)]
        if self._view.rows:
            parts.append(task_table(self._view.rows, self._spinner))
        if self._view.training:
            parts.append(
                Text(
                    f"  {self._view.training}  {self._view.metrics}",
                    style="bold",
                    no_wrap=True,
                    overflow="ellipsis",
                )
            )
        if self._view.log_line:
            parts.append(Text(f"  {self._view.log_line}", style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(*parts)


def task_table(rows: tuple[TaskRow, ...], spinner: Spinner | None = None, title: str | None = None) -> Table:
    """Make a table of the tasks of a DAG run; with a *spinner*, it marks running tasks and shows each task's note."""
    table = Table(title=title, title_justify="left", expand=spinner is not None)
    # Fixed widths: otherwise rich shortens these three columns when a note is long.
    table.add_column("Task", no_wrap=True, width=max(len(row.task) for row in rows))
    table.add_column("State", no_wrap=True, width=len("upstream_failed"))
    table.add_column("Seconds", no_wrap=True, justify="right", width=len("Seconds"))
    if spinner is not None:
        table.add_column("", overflow="ellipsis", no_wrap=True, ratio=1)
    for row in rows:
        state = Text(row.state, style=STATE_STYLES.get(row.state, "dim"))
        state_cell: RenderableType = state
        if spinner is not None and row.state in {"running", "deferred"}:
            state_cell = _side_by_side(spinner, state)
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
        table.add_row(row.task, state_cell, seconds, *([Text(row.note)] if spinner is not None else []))
    return table


def _steps_table(steps: tuple[StartupStep, ...], spinner: Spinner) -> Table:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=1)
    grid.add_column(no_wrap=True, width=max((len(step.name) for step in steps), default=0))
    grid.add_column(no_wrap=True, width=len("9999 s"), justify="right")
    grid.add_column(no_wrap=True, overflow="ellipsis", style="dim", ratio=1)
    marks: dict[str, RenderableType] = {
        "waiting": Text("·", style="dim"),
        "running": spinner,
        "done": Text("✓", style="green"),
        "failed": Text("✗", style="red"),
    }
    for step in steps:
        seconds = f"{step.seconds:.0f} s" if step.state != "waiting" else ""
        grid.add_row(marks[step.state], step.name, seconds, step.note if step.state != "done" else "")
    return grid


def _side_by_side(left: RenderableType, right: RenderableType) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(left, right)
    return grid
