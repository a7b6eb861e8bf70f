"""Training definitions as files: checking them, sending them."""

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
    Check a training definition, without asking any service.

    Prints one line a problem, naming the field, and ends with exit code 1. A connection may be given by its name,
    as in a DAG.
    """
    read_definition(file, lambda _: PLACEHOLDER_CONNECTION)
    typer.echo(f"{file} is a valid training definition")


def submit(
    file: FileArgument,
    key: Annotated[
        str | None, typer.Option(help="An idempotency key: the same key again gives the same training.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Submit a training definition, and print the training's id. A connection may be named as in connections.json."""
    from airflow_dlaas.client import calls

    definition = read_definition(file, lambda name: read_store_connection(home, name))
    with open_client(home) as opened:
        training = opened.send(calls.create_training(definition, idempotency_key=key))
    typer.echo(training.id)


def read_definition(file: Path, get_connection: Callable[[str], Mapping[str, str]]) -> TrainingDefinition:
    """
    Read a definition from *file*; stores whose ``connection`` is a name are looked up.

    :raises InvalidDefinition: naming every field that is wrong.
    """
    from airflow_dlaas.contract.definition import TrainingDefinition

    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise InvalidDefinition([f"{file}: can't be read: {error.strerror}"]) from error
    except ValueError as error:
        raise InvalidDefinition([f"{file}: is no JSON: {error}"]) from error
    return TrainingDefinition.parse(_insert_connections(document, get_connection))


def _insert_connections(document: Any, get_connection: Callable[[str], Mapping[str, str]]) -> Any:
    def with_credentials(entry: Any) -> Any:
        if isinstance(entry, dict) and isinstance(entry.get("connection"), str):
            return {**entry, "connection": get_connection(entry["connection"])}
        return entry

    if not isinstance(document, dict):
        return document
    whole = dict(document)
    if isinstance(whole.get("training_data"), list):
        whole["training_data"] = [with_credentials(entry) for entry in whole["training_data"]]
    if "training_results" in whole:
        whole["training_results"] = with_credentials(whole["training_results"])
    return whole
