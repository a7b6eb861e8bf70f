"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from airflow_dlaas._util.terminal_text import escape_control_characters

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    cut: bool = False
    """Whether its texts may be cut where a terminal is too narrow; ids and values must not be."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with a colour."""

    text: str
    style: str = ""


def print_json(document: Any) -> None:
    """Print *document*, of JSON types, as JSON. NaN and the infinities are texts in it, as in the API."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str | Cell]]) -> None:
    """
    Print a table; control characters in its texts are shown as escapes.

    In a terminal that is too narrow, texts of columns with `cut` are cut, and others continue on further lines. Where
    stdout is no terminal, nothing is cut and each row is one line.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(
            column.title,
            no_wrap=column.cut or not sys.stdout.isatty(),
            overflow="ellipsis" if column.cut else "fold",
            min_width=8 if column.cut else None,
        )
    for row in rows:
        cells = (one if isinstance(one, Cell) else Cell(one) for one in row)
        table.add_row(*(Text(escape_control_characters(one.text, single_line=True), one.style) for one in cells))
    console = Console() if sys.stdout.isatty() else Console(width=_width(table))
    console.print(table, soft_wrap=False)


def print_fields(fields: Mapping[str, str | None]) -> None:
    """Print names and values, one below the other; those without a value are left out. See `print_table`."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value:
            table.add_row(name, Text(escape_control_characters(value)))
    console = Console() if sys.stdout.isatty() else Console(width=_width(table))
    console.print(table)


def _width(table: Any) -> int:
    """Return the columns that *table* needs if nothing is cut or wrapped."""
    from rich.console import Console
    from rich.measure import Measurement

    wide = Console(width=100_000)
    return Measurement.get(wide, wide.options, table).maximum
