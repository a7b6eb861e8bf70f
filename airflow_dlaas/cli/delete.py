"""The command that deletes trainings."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import ConnectionOption, HomeOption, find_store, open_client
from airflow_dlaas.cli.exit_codes import ExitCode, exit_code_for_error
from airflow_dlaas.cli.output import JsonOption, print_json, print_line
from airflow_dlaas.cli.store_access import open_store
from airflow_dlaas.exceptions import Conflict, DlaasError, InvalidArgument

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.storage.object_store import ObjectStore


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        delete,
        HelpPanel.TRAININGS,
        examples=(
            "airflow-dlaas delete training-AbC_12-xY",
            "airflow-dlaas delete training-AbC_12-xY training-DeF_34-zZ --results --yes",
        ),
    )


def delete(
    training_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of the trainings.")],
    results: Annotated[
        bool, typer.Option("--results", help="Delete the results too: model, logs and all other files.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    connection: ConnectionOption = None,
    home: HomeOption = None,
) -> None:
    """
    Delete the records of trainings that have ended; with --results, their results too.

    An id that cannot be deleted does not stop the others; the exit code is then not 0.
    """
    ids = list(dict.fromkeys(training_ids))
    if not yes:
        _require_confirmation(ids, with_results=results)
    deleted: list[str] = []
    problems: dict[str, DlaasError] = {}
    with ExitStack() as stack:
        client = stack.enter_context(open_client(home))
        store = stack.enter_context(open_store(find_store(home, connection))) if results else None
        for training_id in ids:
            try:
                done = delete_training(client, store, training_id)
                deleted.append(training_id)
                if not as_json:
                    print_line(done)
            except DlaasError as error:  # noqa: PERF203  (one id does not stop the others)
                print_line(f"{training_id}: {error}", err=True)
                problems[training_id] = error
    if as_json:
        print_json({"deleted": deleted, "problems": {one: str(error) for one, error in problems.items()}})
    raise typer.Exit(min(map(exit_code_for_error, problems.values()), default=ExitCode.SUCCESS))


def delete_training(client: Client, store: ObjectStore | None, training_id: str) -> str:
    """
    Delete a training, and before it its results if *store* is given; return what was done, in words.

    :raises Conflict: the training has not ended; nothing was deleted.
    """
    from airflow_dlaas.cli.results import delete_results
    from airflow_dlaas.client import calls

    if store is None:
        try:
            client.send(calls.delete_training(training_id))
        except Conflict as error:
            raise Conflict(_still_running(training_id)) from error
        return f"{training_id} is deleted; its results stay"
    training = client.send(calls.get_training(training_id))
    if not training.state.is_final:
        raise Conflict(_still_running(training_id))
    # The results first: without the record, their place is unknown.
    count = delete_results(store, training, container=_checkpoint_container(client, training))
    client.send(calls.delete_training(training_id))
    return f"{training_id} is deleted, and {count:,} objects of its results"


def _checkpoint_container(client: Client, training: Training) -> str | None:
    """Return the container of a training that has left no results but may have left checkpoints, or None."""
    from pydantic import ValidationError

    from airflow_dlaas.cli.results import results_location
    from airflow_dlaas.client import calls
    from airflow_dlaas.contract.definition import TrainingDefinition

    status = training.status
    if results_location(training) is not None or (status.checkpoint is None and (status.attempt or 1) == 1):
        return None
    entity = client.send(calls.get_training_entity(training.id))
    try:
        definition = TrainingDefinition.model_validate(entity, extra="ignore")
    except ValidationError:
        return None
    return definition.results_store.target.container if definition.has_results_store else None


def _still_running(training_id: str) -> str:
    return f"cancel it first (airflow-dlaas cancel {training_id}): it has not ended"


def _require_confirmation(ids: list[str], *, with_results: bool) -> None:
    what = "and all their results" if with_results else "(their results stay)"
    if not sys.stdin.isatty():
        raise InvalidArgument("--yes: without a terminal to ask in, deleting needs --yes")
    print_line("\n".join(ids), err=True)
    if not typer.confirm(f"Delete these {len(ids)} trainings {what}?", err=True):
        raise typer.Exit(ExitCode.FAILED)
