"""The command `airflow-dlaas runs`: the list of the trainings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.attempt_text import describe_attempt_number, summarize_checkpoint
from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.output import Cell, Column, JsonOption, json_document, print_json, print_line, print_table
from airflow_dlaas.cli.training_text import STATE_COLORS, describe_state, format_time, run_duration
from airflow_dlaas.contract.state import TrainingState

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.listing import UnreadableEntry
    from airflow_dlaas.contract.training import Training


def _require_id(value: str) -> str:
    if not value or "/" in value or value.strip() != value:
        raise typer.BadParameter(f"{value!r} is not the id of a training; `airflow-dlaas runs` lists them")
    return value


TrainingIdArgument = Annotated[
    str, typer.Argument(metavar="ID", callback=_require_id, help="The training's id, training-….")
]

PAGE_SIZE = 200
"""Trainings that one request asks for at most."""

STATE_HELP = f"Only in this state: {', '.join(TrainingState)}; may be repeated."

GLOB_CHARACTERS = frozenset("*?[")


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        runs,
        HelpPanel.TRAININGS,
        examples=(
            "airflow-dlaas runs",
            "airflow-dlaas runs --state running --state pending",
            "airflow-dlaas runs --name 'mnist-*' --tag baseline --limit 5",
            "airflow-dlaas runs --json | jq -r '.resources[].metadata.guid'",
        ),
    )


@dataclass(frozen=True, slots=True)
class TrainingFilter:
    """Which trainings a list has; an empty field selects all."""

    states: tuple[TrainingState, ...] = ()
    name: str = ""
    """A part of the name, in upper or lower case; with ``*``, ``?`` or ``[``, a pattern for the whole name."""
    tags: tuple[str, ...] = ()
    """Tags that a training has all of."""

    def __bool__(self) -> bool:
        return bool(self.states or self.name or self.tags)

    def matches(self, training: Training) -> bool:
        """Whether *training* is in the list."""
        if self.states and training.state not in self.states:
            return False
        return self._matches_name(training.entity.model_definition.name) and set(self.tags) <= set(
            training.status.tags or ()
        )

    def _matches_name(self, name: str) -> bool:
        pattern = self.name.casefold()
        if GLOB_CHARACTERS & set(pattern):
            return fnmatchcase(name.casefold(), pattern)
        return pattern in name.casefold()


def runs(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    state: Annotated[list[TrainingState] | None, typer.Option(metavar="STATE", help=STATE_HELP)] = None,
    name: Annotated[
        str, typer.Option(help="Only with this text in the name, in upper or lower case; or a pattern: 'mnist-*'.")
    ] = "",
    tag: Annotated[list[str] | None, typer.Option(help="Only with this tag; may be repeated.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List trainings, newest first."""
    selected = TrainingFilter(tuple(state or ()), name, tuple(tag or ()))
    with open_client(home) as client:
        found = list(islice(find_trainings(client, selected, PAGE_SIZE if selected else min(limit, PAGE_SIZE)), limit))
    trainings, unreadable = _split_entries(found)
    if as_json:
        print_json({"resources": [json_document(one) for one in found]})
    elif trainings:
        print_table(*training_table(trainings))
    else:
        print_line("There is no such training" if selected else "There are no trainings yet", err=True)
    for one in unreadable:
        print_line(f"{one.id} cannot be read; `airflow-dlaas show {one.id}` prints the reason", err=True)


def find_trainings(
    client: Client, selected: TrainingFilter, page_size: int = PAGE_SIZE
) -> Iterator[Training | UnreadableEntry]:
    """
    Yield the trainings that *selected* matches, newest first, and request one page after the other for them.

    Those that cannot be read have an id only; they are left out if *selected* is not empty.
    """
    from airflow_dlaas.client import calls
    from airflow_dlaas.contract.training import Training

    page = client.send(calls.list_trainings(page_size))
    requested: set[str] = set()
    while True:
        for entry in page.entries:
            if isinstance(entry, Training):
                if selected.matches(entry):
                    yield entry
            elif not selected and hasattr(entry, "id"):
                yield entry
        if page.next is None or page.next.url in requested:
            return
        requested.add(page.next.url)
        page = client.send(calls.list_trainings_page(client.path_from_url(page.next.url)))


def _split_entries(entries: list[Training | UnreadableEntry]) -> tuple[list[Training], list[UnreadableEntry]]:
    from airflow_dlaas.contract.training import Training

    trainings = [one for one in entries if isinstance(one, Training)]
    return trainings, [one for one in entries if not isinstance(one, Training)]


def training_table(trainings: Sequence[Training]) -> tuple[list[Column], list[list[str | Cell]]]:
    """Return the columns and rows of the list. Attempts, checkpoints and tags have a column if there are any."""
    has_tags = any(one.status.tags for one in trainings)
    has_attempts = any((one.status.attempt or 1) > 1 for one in trainings)
    # That of a completed training is of less use: its model is in the results.
    resumable = {one.id for one in trainings if one.status.checkpoint and one.state is not TrainingState.COMPLETED}
    columns = [
        Column("ID", whole=True),
        Column("NAME", cut=True),
        Column("STATE"),
        Column("SUBMITTED"),
        Column("TOOK"),
        Column("SIZE"),
    ]
    rows: list[list[str | Cell]] = [
        [
            one.id,
            one.entity.model_definition.name,
            Cell(describe_state(one), STATE_COLORS[one.state]),
            format_time(one.status.submitted_at),
            run_duration(one),
            one.entity.model_definition.execution.size_text,
            *([describe_attempt_number(one)] if has_attempts else []),
            *([summarize_checkpoint(one) if one.id in resumable else ""] if resumable else []),
            *([", ".join(one.status.tags or ())] if has_tags else []),
        ]
        for one in trainings
    ]
    further = [
        *([Column("ATTEMPT")] if has_attempts else []),
        *([Column("CHECKPOINT", cut=True)] if resumable else []),
        *([Column("TAGS", cut=True)] if has_tags else []),
    ]
    return [*columns, *further], rows
