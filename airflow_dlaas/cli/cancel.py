"""The command `airflow-dlaas cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.output import JsonOption, print_line, print_model
from airflow_dlaas.cli.runs import TrainingIdArgument
from airflow_dlaas.contract.execution import DEFAULT_GRACE
from airflow_dlaas.contract.state import Phase

if TYPE_CHECKING:
    from airflow_dlaas.contract.training import Training


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(app, cancel, HelpPanel.TRAININGS, examples=("airflow-dlaas cancel training-AbC_12-xY",))


def cancel(training_id: TrainingIdArgument, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """
    Cancel a training; its results so far are stored.

    Its command gets SIGTERM, and the time of its definition (execution.grace) to save its state. The command does not
    wait for the end. A training that has ended stays as it is. With --json, the training is printed.
    """
    from airflow_dlaas.client import calls

    with open_client(home) as client:
        client.send(calls.cancel_training(training_id))
        training = client.send(calls.get_training(training_id))
        knows_grace = "model_definition.execution.grace" in client.extensions.definition_keys
    if as_json:
        print_model(training)
    elif training.state.is_final:
        print_line(f"{training_id} has ended: {training.state}")
    else:
        print_line(f"{training_id} is being canceled{_describe_grace(training) if knows_grace else ''}")


def _describe_grace(training: Training) -> str:
    """Return how long the command has to save its state, if it runs."""
    grace = training.entity.model_definition.execution.grace
    if training.status.phase is not Phase.PROCESSING:
        return ""
    return f": its command has {DEFAULT_GRACE if grace is None else grace:g} seconds to save its state"
