"""The command that fetches the results of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import ConnectionOption, HomeOption, find_store, open_client
from airflow_dlaas.cli.output import JsonOption, print_json, print_line
from airflow_dlaas.cli.runs import TrainingIdArgument
from airflow_dlaas.cli.store_access import open_store
from airflow_dlaas.cli.transfer_display import progress_display
from airflow_dlaas.exceptions import InvalidArgument

OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace other files of the same names.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        fetch,
        HelpPanel.TRAININGS,
        examples=(
            "airflow-dlaas fetch training-AbC_12-xY",
            "airflow-dlaas fetch training-AbC_12-xY ./best --all",
        ),
    )


def fetch(
    training_id: TrainingIdArgument,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The folder to fetch into. Default: ID/model.")
    ] = None,
    logs: Annotated[bool, typer.Option("--logs", help="Fetch the log instead of the model.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Fetch all results.")] = False,
    overwrite: OverwriteOption = False,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Fetch the model of a training, each file verified. Prints the folder.

    What is there already is not fetched again; an interrupted fetch is resumed by the next one.
    """
    from airflow_dlaas.cli.results import ResultsPart, fetch_results, plan_fetch
    from airflow_dlaas.client import calls

    if logs and everything:
        raise InvalidArgument("--logs: --all includes the logs: only one of the two can be given")
    part = ResultsPart.ALL if everything else ResultsPart.LOGS if logs else ResultsPart.MODEL
    with open_client(home) as client:
        plan = plan_fetch(client.send(calls.get_training(training_id)), part, folder)
    with open_store(find_store(home, connection)) as store, progress_display("Fetched") as on_progress:
        report = fetch_results(store, plan, overwrite=overwrite, on_progress=on_progress)
    if as_json:
        counts = {"files": report.files, "bytes": report.bytes, "unchanged": report.unchanged}
        print_json({"folder": str(plan.destination), **counts})
        return
    print_line(f"{report.files:,} files fetched ({report.bytes:,} bytes), {report.unchanged:,} unchanged", err=True)
    print_line(str(plan.destination))
