"""
What `train` prints: plain lines, or in a terminal a display below them that is redrawn.

Steps and states go to stderr and the log of the training to stdout, so that the log can be piped. With `--json`,
stdout has the JSON document only.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_dlaas._util.terminal_text import escape_control_characters
from airflow_dlaas.cli.log_output import LogOutput
from airflow_dlaas.cli.output import print_line
from airflow_dlaas.cli.train.view import FollowView, metrics_line, plot_lines, state_text, status_line

if TYPE_CHECKING:
    from rich.console import RenderableType

REDRAWS_PER_SECOND = 4

LAST_LINES = 20
"""Lines of the log that are shown after a failure."""


class PlainOutput:
    """Lines without a display: for a pipe, and for the steps before the training."""

    def __init__(self, *, log_to_stderr: bool = False, quiet: bool = False) -> None:
        self._log = LogOutput(err=log_to_stderr)
        self._quiet = quiet
        self._shown_state = ""
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)

    def step(self, label: str, text: str) -> None:
        """Print what a step did; control characters in it are escaped."""
        print_line(f"{label:<11} {text}", err=True)

    def log(self, text: str, lines: Sequence[str]) -> None:
        """
        Print the next part of the training's log.

        :param text: what the training has printed, as it is.
        :param lines: the lines that *text* completes, without control characters.
        """
        self._last_lines.extend(lines)
        if not self._quiet:
            self._log.print_log_text(text)

    def end_log(self, lines: Sequence[str]) -> None:
        """Print *lines*: what is left of the log at its end, an incomplete line."""
        self._last_lines.extend(lines)
        if not self._quiet:
            self._log.__exit__(None, None, None)

    def show_last_lines(self) -> None:
        """Print the end of the log, after a failure, if the log was not printed."""
        if self._quiet and self._last_lines:
            self.step("log", f"the last {len(self._last_lines)} lines:")
            print_line("\n".join(self._last_lines), err=True)

    def update(self, view: FollowView) -> None:
        """Print the state of the training, if it has changed."""
        if view.training is not None and (text := state_text(view.training)) != self._shown_state:
            self._shown_state = text
            self.step("state", text)

    @contextmanager
    def following(self, view: FollowView) -> Iterator[None]:  # noqa: ARG002 - a display needs it
        """Show *view* during the block."""
        yield


class TerminalOutput(PlainOutput):
    """A display at the bottom of the terminal while the training is followed; the log passes above it."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._console: Any = None

    def step(self, label: str, text: str) -> None:
        """Print what a step did, above the display."""
        if self._console is None:
            super().step(label, text)
        else:
            self._print(f"{label:<11} {escape_control_characters(text)}")

    def log(self, text: str, lines: Sequence[str]) -> None:  # noqa: ARG002 - the display has the unfinished line
        """Print lines of the log above the display."""
        self._last_lines.extend(lines)
        if lines and not self._quiet:
            self._print("\n".join(lines))

    def end_log(self, lines: Sequence[str]) -> None:
        """Print the incomplete last line above the display."""
        self.log("", lines)

    def update(self, view: FollowView) -> None:
        """Do nothing: the display is redrawn several times a second, and has the state."""

    @contextmanager
    def following(self, view: FollowView) -> Iterator[None]:
        """Show *view* during the block; its last state stays on the screen."""
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        try:
            with Live(
                console=self._console,
                get_renderable=lambda: render(view, self._console.width),
                refresh_per_second=REDRAWS_PER_SECOND,
                vertical_overflow="crop",
            ):
                yield
        finally:
            self._console = None

    def _print(self, text: str) -> None:
        from rich.text import Text

        self._console.print(Text(text), soft_wrap=True)


def make_output(*, as_json: bool, quiet: bool) -> PlainOutput:
    """Return the output for this process: a display only if stdout and stderr are the same kind of terminal."""
    if sys.stdout.isatty() and sys.stderr.isatty() and not as_json:
        return TerminalOutput(quiet=quiet)
    return PlainOutput(log_to_stderr=as_json, quiet=quiet)


def render(view: FollowView, width: int) -> RenderableType:
    """Return the display: the state, the progress bar, the plot, and the newest value of each metric."""
    from rich.console import Group
    from rich.text import Text

    from airflow_dlaas.cli.training_text import STATE_COLORS

    style = "" if view.training is None else STATE_COLORS[view.training.state]
    lines = [Text("─" * min(width, 78), "dim"), Text(status_line(view), f"bold {style}")]
    if view.problem:
        lines.append(Text(view.problem, "yellow"))
    if view.current_line:
        lines.append(Text(view.current_line.replace("\t", " ")))
    lines += [Text(one, "cyan" if number else "bold") for number, one in enumerate(plot_lines(view, width))]
    if values := metrics_line(view):
        lines.append(Text(values, "dim"))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)
