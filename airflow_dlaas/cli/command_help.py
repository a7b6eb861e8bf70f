"""The panels of the console's help, and the examples at the end of each command's help."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any

import typer


class HelpPanel(str, Enum):
    """A group of commands in the help."""

    TRAININGS = "Trainings"
    DATA = "Data"
    SERVICE = "Service"
    AIRFLOW = "Airflow"

    def __str__(self) -> str:
        return self.value


EXAMPLES_TITLE = "Examples"

_MARKUP_TAG = re.compile(r"(\\*)(\[[a-z#/@][^\[]*?\])")
"""What rich takes for a tag, after its backslashes. `rich.markup` has the same, but each command would import rich."""


def format_examples(*lines: str) -> str:
    """Return the end of a help text with the command lines *lines*, in the markup of rich."""
    text = _MARKUP_TAG.sub(r"\1\1\\\2", "\n".join(lines))
    return f"[bold]{EXAMPLES_TITLE}[/bold]\n{text}"


def add_command(
    app: typer.Typer,
    command: Callable[..., Any],
    panel: HelpPanel | None = None,
    *,
    examples: tuple[str, ...],
    name: str | None = None,
    help_text: str | None = None,
) -> None:
    """
    Add *command* to *app*, in *panel* of its help, with *examples*: complete command lines.

    :param help_text: by default the command's docstring.
    """
    panel_name = str(panel) if panel else None
    app.command(name, help=help_text, epilog=format_examples(*examples), rich_help_panel=panel_name)(command)
