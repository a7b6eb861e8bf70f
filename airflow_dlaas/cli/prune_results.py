"""The command that deletes results by rule."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command, format_examples
from airflow_dlaas.cli.connection_options import ConnectionOption, HomeOption, find_store, open_client
from airflow_dlaas.cli.exit_codes import ExitCode
from airflow_dlaas.cli.output import Column, JsonOption, print_json, print_line, print_table
from airflow_dlaas.cli.store_access import open_store
from airflow_dlaas.cli.training_text import format_time
from airflow_dlaas.exceptions import InvalidArgument
from airflow_dlaas.pruning.rules import MetricMode, PruneRules, parse_age

if TYPE_CHECKING:
    from airflow_dlaas.pruning.decide import Decision
    from airflow_dlaas.pruning.prune import Pruning

group = typer.Typer(help="The results of trainings.", no_args_is_help=True, rich_markup_mode="rich")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        group,
        prune,
        examples=(
            "airflow-dlaas results prune --keep 5 --keep-tag promoted --dry-run",
            "airflow-dlaas results prune --keep 3 --keep-best validation/loss --yes",
            "airflow-dlaas results prune --name 'mnist-*' --older-than 30d",
        ),
    )
    app.add_typer(
        group,
        name="results",
        rich_help_panel=str(HelpPanel.TRAININGS),
        epilog=format_examples("airflow-dlaas results prune --keep 5 --dry-run"),
    )


def prune(
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Keep so many of each name: the newest completed ones, and as many of the others."),
    ] = None,
    keep_best: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Keep the one of each name with the best last value.")
    ] = None,
    mode: Annotated[
        MetricMode | None, typer.Option(help="Which value is the best. Default: by the metric's name.")
    ] = None,
    keep_tag: Annotated[list[str] | None, typer.Option(help="Keep those with this tag; may be repeated.")] = None,
    name: Annotated[str | None, typer.Option(help="Only trainings of this name; or a pattern: 'mnist-*'.")] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Keep those that have ended later: 12h, 30d, 8w.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be deleted, and delete nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Delete the results and checkpoints of trainings that have ended and that no rule keeps.

    The records of the trainings stay. What a kept or running training has begun with stays, and so do results that a
    training has as its data.
    """
    from airflow_dlaas.pruning import prune as pruning

    rules = PruneRules(
        keep=keep,
        keep_best=keep_best,
        mode=mode,
        keep_tags=tuple(keep_tag or ()),
        name=name,
        older_than=parse_age(older_than) if older_than is not None else None,
    )
    with open_client(home) as client, open_store(find_store(home, connection)) as store:
        planned = pruning.plan(client, store, rules)
        if not as_json:
            _print_decisions(planned)
        if planned.deletions and not dry_run:
            if not yes:
                _require_confirmation(len(planned.deletions))
            planned = pruning.delete(store, planned)
    if as_json:
        print_json(_document(planned, dry_run=dry_run))
    else:
        _print_outcome(planned, dry_run=dry_run)
    if planned.problems:
        raise typer.Exit(ExitCode.FAILED)


def _print_decisions(planned: Pruning) -> None:
    if not planned.decisions:
        return
    columns = (
        Column("ID", whole=True),
        Column("NAME", cut=True),
        Column("SUBMITTED"),
        Column("RESULTS"),
        Column("REASON"),
    )
    print_table(columns, [_row(one) for one in planned.decisions])


def _row(one: Decision) -> tuple[str, ...]:
    training = one.training
    outcome = "delete" if one.deleted else "keep"
    submitted = format_time(training.status.submitted_at)
    return (training.id, training.entity.model_definition.name, submitted, outcome, one.reason)


def _print_outcome(planned: Pruning, *, dry_run: bool) -> None:
    kept = len(planned.decisions) - len(planned.deletions)
    if dry_run:
        print_line(f"Results that would be deleted: {len(planned.deletions)}; kept: {kept}", err=True)
    else:
        objects = sum(planned.counts.values())
        print_line(f"Deleted results: {len(planned.counts)} ({objects:,} objects); kept: {kept}", err=True)
    for training_id, problem in planned.problems.items():
        print_line(f"{training_id}: {problem}", err=True)


def _document(planned: Pruning, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "deleted": [
            {"id": one.training.id, "reason": one.reason, "objects": planned.counts.get(one.training.id)}
            for one in planned.deletions
            if dry_run or one.training.id in planned.counts
        ],
        "kept": [{"id": one.training.id, "reason": one.reason} for one in planned.decisions if not one.deleted],
        "problems": dict(planned.problems),
    }


def _require_confirmation(count: int) -> None:
    if not sys.stdin.isatty():
        raise InvalidArgument("--yes: without a terminal to ask in, deleting needs --yes; --dry-run deletes nothing")
    if not typer.confirm(f"Delete the results of {count} trainings?", err=True):
        raise typer.Exit(ExitCode.FAILED)
