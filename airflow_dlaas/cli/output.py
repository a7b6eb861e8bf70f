"""
What commands print: tables and lines for people, JSON for programs.

Names, messages and file names come from other people and programs. Whatever a terminal would obey in them is printed
as an escape. Output to a program that has stopped reading (``| head``) ends the command without a message.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_dlaas._util.terminal_text import escape_control_characters

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console, RenderableType

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_NOT_PLAIN_IN_JSON = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Characters that JSON may contain as they are, and that a terminal obeys."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    cut: bool = False
    """Whether its texts may be cut where a terminal is too narrow; ids and values must not be."""
    whole: bool = False
    """Whether its texts stay on one line in every terminal: ids, which people copy."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with a colour."""

    text: str
    style: str = ""


def prepare_streams() -> None:
    """
    Make stdout and stderr accept every text.

    They escape characters that their encoding does not have. If a shell has closed one (``>&-``), its text is dropped.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (for the whole process)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_line(text: str, *, err: bool = False) -> None:
    """Print *text* and a newline to stdout, or to stderr; control characters other than tab and newline are escaped."""
    _write(escape_control_characters(text) + "\n", err=err)


def print_error(message: str) -> None:
    """Print *message* to stderr, after the name of the program."""
    from rich.text import Text

    text = Text.assemble(("airflow-dlaas:", "red"), " ", escape_control_characters(message))
    _print(text, err=True, soft_wrap=True)


def print_json(document: Any) -> None:
    """
    Print *document*, of JSON types, as JSON. NaN and the infinities are texts in it, as in the API.

    Characters that a terminal obeys, or that the encoding of stdout does not have, are JSON's own escapes.
    """
    text = json.dumps(_with_finite_numbers(document), indent=2, ensure_ascii=not _is_utf8(), allow_nan=False)
    _write(_NOT_PLAIN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def print_model(model: BaseModel) -> None:
    """Print a document of the API as JSON, without the keys that have no value."""
    print_json(json_document(model))


def json_document(model: BaseModel) -> Any:
    """Return a document of the API as JSON types, without the keys that have no value."""
    return json.loads(model.model_dump_json(exclude_none=True))


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str | Cell]]) -> None:
    """
    Print a table; control characters in its texts are shown as escapes.

    In a terminal that is too narrow, texts of columns with `cut` are cut first; then others continue on further lines,
    except those of columns with `whole`. Where stdout is no terminal, nothing is cut and each row is one line.
    """
    from rich.table import Table
    from rich.text import Text

    from airflow_dlaas.cli.table_layout import ColumnSize, cut_text, fit_widths

    cells = [[_plain_cell(one) for one in row] for row in rows]
    sizes = [
        ColumnSize.of_texts([column.title, *(row[index].text for row in cells)], cut=column.cut, whole=column.whole)
        for index, column in enumerate(columns)
    ]
    widths = fit_widths(sizes, _terminal_width())
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.title, width=width, overflow="fold")
    for row in cells:
        table.add_row(
            *(
                Text(cut_text(cell.text, width, _ellipsis()) if column.cut else cell.text, cell.style)
                for column, width, cell in zip(columns, widths, row, strict=True)
            )
        )
    _print(table, width=sum(widths) + len(widths))


def print_fields(fields: Mapping[str, str | None]) -> None:
    """Print names and values, one below the other; those without a value are left out. See `print_table`."""
    from rich.table import Table
    from rich.text import Text

    given = {name: escape_control_characters(value) for name, value in fields.items() if value}
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in given.items():
        table.add_row(name, Text(value))
    longest = max((len(line.expandtabs()) for value in given.values() for line in value.split("\n")), default=0)
    # Each character takes two cells at most.
    _print(table, width=None if _terminal_width() else max(map(len, given), default=0) + 2 * longest + 2)


def _plain_cell(cell: str | Cell) -> Cell:
    text, style = (cell, "") if isinstance(cell, str) else (cell.text, cell.style)
    return Cell(escape_control_characters(text, single_line=True), style)


def _with_finite_numbers(value: Any) -> Any:
    """Copy a JSON value; NaN and the infinities become the texts that the API has for them."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case dict():
            return {key: _with_finite_numbers(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_with_finite_numbers(inner) for inner in value]
        case _:
            return value


def _terminal_width() -> int | None:
    """Return the columns of the terminal; None if stdout is no terminal."""
    if not sys.stdout.isatty():
        return None
    return _console().width


def _ellipsis() -> str:
    return "…" if _is_utf8() else "..."


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in {"utf8", "utf8sig"}


def _console(*, err: bool = False, width: int | None = None) -> Console:
    from rich.console import Console

    return Console(stderr=err, width=width, highlight=False, emoji=False)


def _print(renderable: RenderableType, *, err: bool = False, width: int | None = None, soft_wrap: bool = False) -> None:
    console = _console(err=err, width=width)
    with console.capture() as capture:
        console.print(renderable, soft_wrap=soft_wrap)
    lines = capture.get().removesuffix("\n").split("\n")
    _write("".join(f"{line.rstrip()}\n" for line in lines), err=err)


def _write(text: str, *, err: bool = False) -> None:
    stream = sys.stderr if err else sys.stdout
    stream.write(text)
    stream.flush()  # here, where `airflow_dlaas.cli.app` handles the errors; the interpreter's flush is too late
