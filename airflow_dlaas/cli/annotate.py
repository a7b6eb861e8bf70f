"""The command that sets the note and the tags of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.output import JsonOption, print_fields, print_json
from airflow_dlaas.cli.runs import TrainingIdArgument
from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.exceptions import InvalidArgument, NotConfigured


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        annotate,
        HelpPanel.TRAININGS,
        examples=(
            'airflow-dlaas annotate training-AbC_12-xY --note "rate too high" --tag slow',
            "airflow-dlaas annotate training-AbC_12-xY --remove-tag slow --tag baseline",
        ),
    )


def annotate(
    training_id: TrainingIdArgument,
    note: Annotated[str | None, typer.Option(help="The note; an empty text removes it.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag to add; may be repeated.")] = None,
    remove_tag: Annotated[list[str] | None, typer.Option(help="A tag to remove; may be repeated.")] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Set the note and the tags of a training; what is not named stays. They do not change the training.
    """
    from airflow_dlaas.client import calls

    if note is None and not tag and not remove_tag:
        raise InvalidArgument("--note: nothing to change: add --note, --tag or --remove-tag")
    with open_client(home) as client:
        if not client.extensions.annotations:
            raise NotConfigured(f"The service at {client.url} has no notes and tags: it must be updated first")
        status = client.send(calls.get_training(training_id)).status
        current = Annotations(note=status.note or "", tags=tuple(status.tags or ()))
        changed = change_annotations(current, note=note, add=tag or (), remove=remove_tag or ())
        client.send(calls.annotate_training(training_id, changed))
    if as_json:
        print_json(changed.model_dump(mode="json"))
    else:
        print_fields({"note": changed.note or "(none)", "tags": ", ".join(changed.tags) or "(none)"})


def change_annotations(
    current: Annotations, *, note: str | None, add: Sequence[str], remove: Sequence[str]
) -> Annotations:
    """
    Return *current* with another note, if one is given, with the tags *add* and without the tags *remove*.

    :raises InvalidArgument: a tag to remove is not there, or a note or a tag is not valid.
    """
    from pydantic import ValidationError

    from airflow_dlaas.contract.validation_messages import validation_messages

    if missing := [one for one in remove if one not in current.tags]:
        raise InvalidArgument(f"--remove-tag: the training has no tag {missing[0]!r}")
    kept = [one for one in current.tags if one not in remove]
    tags = [*kept, *(one for one in dict.fromkeys(add) if one not in kept)]
    try:
        return Annotations.model_validate({"note": current.note if note is None else note, "tags": tags})
    except ValidationError as error:
        raise InvalidArgument("; ".join(validation_messages(error))) from None
