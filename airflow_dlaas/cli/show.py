"""The command `airflow-dlaas show`: everything about one training."""

from __future__ import annotations

from typing import Any

import typer

from airflow_dlaas._util.secret_names import is_secret_name
from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.output import JsonOption, print_fields, print_json
from airflow_dlaas.cli.runs import TrainingIdArgument
from airflow_dlaas.contract.stores import MASK


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        show,
        HelpPanel.TRAININGS,
        examples=(
            "airflow-dlaas show training-AbC_12-xY",
            "airflow-dlaas show training-AbC_12-xY --json | jq .entity.status",
        ),
    )


def show(training_id: TrainingIdArgument, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Show one training: its definition, its state, its times and metrics, its note and tags, and its errors."""
    from airflow_dlaas.cli.training_text import training_fields
    from airflow_dlaas.client import calls

    with open_client(home) as client:
        if as_json:
            print_json(mask_secrets(client.send(calls.get_training_document(training_id))))
            return
        training = client.send(calls.get_training(training_id))
    print_fields(training_fields(training))


def mask_secrets(document: Any) -> Any:
    """Copy a JSON document; in each connection to an object store, the secrets are masked. Old servers send them."""
    match document:
        case dict():
            return {
                key: _mask_connection(value) if key == "connection" else mask_secrets(value)
                for key, value in document.items()
            }
        case list():
            return [mask_secrets(one) for one in document]
        case _:
            return document


def _mask_connection(connection: Any) -> Any:
    if not isinstance(connection, dict):
        return connection
    return {key: MASK if is_secret_name(key) else value for key, value in connection.items()}
