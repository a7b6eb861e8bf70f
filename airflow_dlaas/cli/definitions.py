"""Commands that check and submit training definitions in files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_dlaas.cli.connection_options import HomeOption, open_client, read_store_connection
from airflow_dlaas.exceptions import InvalidDefinition

if TYPE_CHECKING:
    from airflow_dlaas.contract.definition import TrainingDefinition

PLACEHOLDER_CONNECTION = {"auth_url": "http://by.name", "userId": "by name", "password": "by name"}

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The training definition, JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (validate, submit):
        app.command()(command)


def validate(file: FileArgument) -> None:
    """
    Check a training definition without a service.

    Each error is one line that names the field; the exit code is then 1. A connection can be a name, as in a DAG.
    """
    read_definition(file, lambda _: PLACEHOLDER_CONNECTION)
    typer.echo(f"{file} is a valid training definition")


def submit(
    file: FileArgument,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same key again returns the same training.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Submit a training definition and print the training's id. A connection can be a name from connections.json."""
    from airflow_dlaas.client import calls

    definition = read_definition(file, lambda name: read_store_connection(home, name))
    with open_client(home) as client:
        training = client.send(calls.create_training(definition, idempotency_key=key))
    typer.echo(training.id)


def read_definition(file: Path, get_connection: Callable[[str], Mapping[str, str]]) -> TrainingDefinition:
    """
    Read a definition from *file*, and replace each ``connection`` that is a name by the result of *get_connection*.

    :raises InvalidDefinition: the file cannot be read, is not JSON, or has wrong fields; the error names each one.
    """
    from airflow_dlaas.contract.definition import TrainingDefinition

    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise InvalidDefinition([f"{file}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise InvalidDefinition([f"{file}: is not JSON: {error}"]) from error
    return TrainingDefinition.parse(_insert_connections(document, get_connection))


def _insert_connections(document: Any, get_connection: Callable[[str], Mapping[str, str]]) -> Any:
    def with_credentials(entry: Any) -> Any:
        if isinstance(entry, dict) and isinstance(entry.get("connection"), str):
            return {**entry, "connection": get_connection(entry["connection"])}
        return entry

    if not isinstance(document, dict):
        return document
    result = dict(document)
    if isinstance(result.get("training_data"), list):
        result["training_data"] = [with_credentials(entry) for entry in result["training_data"]]
    if "training_results" in result:
        result["training_results"] = with_credentials(result["training_results"])
    return result
