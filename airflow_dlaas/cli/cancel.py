"""The command `airflow-dlaas cancel`."""

from __future__ import annotations

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.output import JsonOption, print_line, print_model
from airflow_dlaas.cli.runs import TrainingIdArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(app, cancel, HelpPanel.TRAININGS, examples=("airflow-dlaas cancel training-AbC_12-xY",))


def cancel(training_id: TrainingIdArgument, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """
    Cancel a training; its results so far are stored.

    The command does not wait for the end. A training that has ended stays as it is. With --json, the training is
    printed.
    """
    from airflow_dlaas.client import calls

    with open_client(home) as client:
        client.send(calls.cancel_training(training_id))
        training = client.send(calls.get_training(training_id))
    if as_json:
        print_model(training)
    elif training.state.is_final:
        print_line(f"{training_id} has ended: {training.state}")
    else:
        print_line(f"{training_id} is being canceled")
