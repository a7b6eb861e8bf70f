"""The command that lists experiments and their versions."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.output import Column, JsonOption, json_document, print_json, print_line, print_table
from airflow_dlaas.cli.training_text import format_time
from airflow_dlaas.contract.experiment import Experiment


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        experiments,
        HelpPanel.TRAININGS,
        examples=(
            "airflow-dlaas experiments",
            "airflow-dlaas experiments AbC_12-xY --json",
        ),
    )


def experiments(
    experiment_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="List the versions of this experiment.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List the experiments (the code of trainings), newest first; with an ID, the versions of one."""
    from airflow_dlaas.client import calls

    call = calls.list_experiments() if experiment_id is None else calls.list_versions(experiment_id)
    with open_client(home) as client:
        listed = client.send(call)
    found = listed.resources
    if experiment_id is None:
        found = tuple(sorted(found, key=lambda one: one.metadata.created_at, reverse=True))
    if as_json:
        print_json({"resources": [json_document(one) for one in found]})
    elif experiment_id is None:
        _print_experiments(found)
    else:
        _print_versions(found)
    for one in sorted(listed.unreadable_ids):
        print_line(f"The service cannot read its record of {one}", err=True)


def _print_experiments(found: tuple[Experiment, ...]) -> None:
    columns = (Column("ID"), Column("NAME", cut=True), Column("FRAMEWORK"), Column("CREATED"), Column("CHANGED"))
    print_table(
        columns,
        (
            (
                one.metadata.guid,
                one.entity.name,
                str(one.entity.framework),
                format_time(one.metadata.created_at),
                format_time(one.metadata.modified_at),
            )
            for one in found
        ),
    )


def _print_versions(found: tuple[Experiment, ...]) -> None:
    rows = ((one.entity.experiment_version.guid, one.entity.experiment_version.url) for one in found)
    print_table((Column("VERSION"), Column("URL")), rows)
