"""Commands that check and submit training definitions in files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import HomeOption, open_client, read_store_connection
from airflow_dlaas.cli.definition_secrets import GetSecret, check_reference, from_environment, insert_secrets
from airflow_dlaas.cli.exit_codes import ExitCode
from airflow_dlaas.cli.logs import follow_to_end
from airflow_dlaas.cli.output import JsonOption, print_json, print_line, print_model
from airflow_dlaas.exceptions import InvalidDefinition, NotConfigured

if TYPE_CHECKING:
    from airflow_dlaas.contract.definition import TrainingDefinition

PLACEHOLDER_CONNECTION = {"auth_url": "http://by.name", "userId": "by name", "password": "by name"}

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The training definition, JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app,
        submit,
        HelpPanel.TRAININGS,
        examples=(
            "airflow-dlaas submit definition.json",
            "airflow-dlaas submit definition.json --follow",
            "airflow-dlaas submit definition.json --key nightly-2026-12-01",
        ),
    )
    add_command(app, validate, HelpPanel.TRAININGS, examples=("airflow-dlaas validate definition.json",))


def validate(file: FileArgument, as_json: JsonOption = False) -> None:
    """
    Check a training definition without a service.

    Each error is one line that names the field; the exit code is then 1. A connection can be a name, as in a DAG, and a
    secret is a reference: env:NAME here, conn:ID or var:NAME in a DAG.
    """
    try:
        read_definition(file, lambda _: PLACEHOLDER_CONNECTION, check_reference)
    except InvalidDefinition as error:
        if not as_json:
            raise
        print_json({"valid": False, "problems": list(error.problems)})
        raise typer.Exit(ExitCode.FAILED) from None
    if as_json:
        print_json({"valid": True, "problems": []})
    else:
        print_line(f"{file} is a valid training definition")


def submit(
    file: FileArgument,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same key again returns the same training.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print the log until the end; the exit code is that of the training.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Submit a training definition and print the training's id.

    A connection can be a name: see `upload --connection`. A secret is env:NAME, a variable of this shell. With
    --follow, the exit code is 3 if the training failed, and 4 if it was canceled; Ctrl-C ends the command, and not the
    training.
    """
    from airflow_dlaas.client import calls
    from airflow_dlaas.client.require_known_keys import require_known_keys

    if key == "":
        raise typer.BadParameter("it is empty, and would make no difference", param_hint="--key")
    if follow and as_json:
        raise typer.BadParameter("the log is no JSON: use either --follow or --json", param_hint="--follow")
    definition = read_definition(file, lambda name: read_store_connection(home, name), from_environment(os.environ))
    with open_client(home) as client:
        require_known_keys(client, definition)
        training = client.send(calls.create_training(definition, idempotency_key=key))
        if as_json:
            print_model(training)
        else:
            print_line(training.id)
        if follow:
            raise typer.Exit(follow_to_end(client, training.id))


def read_definition(
    file: Path, get_connection: Callable[[str], Mapping[str, str | bool]], get_secret: GetSecret
) -> TrainingDefinition:
    """
    Read a definition from *file*, and replace each ``connection`` that is a name by the result of *get_connection*,
    and each secret, which is a reference, by that of *get_secret*.

    :raises InvalidDefinition: the file cannot be read, is not JSON, or has wrong fields; the error names each one.
    """
    from airflow_dlaas.contract.definition import TrainingDefinition

    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise InvalidDefinition([f"{file}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise InvalidDefinition([f"{file}: is not JSON: {error}"]) from error
    return TrainingDefinition.parse(_insert_connections(insert_secrets(document, get_secret), get_connection))


def _insert_connections(document: Any, get_connection: Callable[[str], Mapping[str, str | bool]]) -> Any:
    def with_credentials(entry: Any, place: str) -> Any:
        if not (isinstance(entry, dict) and isinstance(entry.get("connection"), str)):
            return entry
        try:
            return {**entry, "connection": get_connection(entry["connection"])}
        except NotConfigured as error:
            raise NotConfigured(
                f"{place}.connection: {error}. Or write auth_url, userId and password there instead of a name"
            ) from error

    if not isinstance(document, dict):
        return document
    result = dict(document)
    if isinstance(result.get("training_data"), list):
        result["training_data"] = [
            with_credentials(entry, f"training_data[{index}]") for index, entry in enumerate(result["training_data"])
        ]
    if "training_results" in result:
        result["training_results"] = with_credentials(result["training_results"], "training_results")
    return result
