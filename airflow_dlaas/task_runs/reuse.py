"""
Taking up the completed training of an earlier generation whose task never succeeded, and recording a success.

Airflow may lose the resumption of a task whose training has completed. Clearing that task does not train again: the
result is there. After a success it does, so that success is recorded at the service; a clear wipes XComs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_dlaas.client import calls
from airflow_dlaas.exceptions import DlaasError, NotFound
from airflow_dlaas.task_runs.run_key import without_run_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.connections import SwiftConnection

    Say = Callable[[str], None]


def is_reusable(
    client: Client, training: Training, definition: TrainingDefinition, results_connection: SwiftConnection, say: Say
) -> bool:
    """
    Whether *training*, which has completed, can be the result of a task that renders *definition*; logs the reason.

    :param results_connection: the object store that the definition's results go to.
    """
    if not client.extensions.acknowledgement:
        return False
    try:
        why = _reuse_obstacle(client, training, definition, results_connection)
    except DlaasError as error:
        why = f"it could not be compared: {error}"
    if why is None:
        say(
            f"Training {training.id} of an earlier run of this task has completed, but the task did not succeed; the "
            "definition is the same and the results are there: it is taken up instead of training again"
        )
        return True
    say(f"Training {training.id} of an earlier run of this task has completed and is not taken up: {why}")
    return False


def acknowledge_success(client: Client, training: Training, say: Say) -> None:
    """
    Record at the service that a task has succeeded with *training*, which has completed.

    :raises ServiceError: it could not be recorded. The task had better fail: its next try, or a clear, takes the
        training up without training again, while a success that is not recorded would be taken for a failure.
    """
    if not client.extensions.acknowledgement:
        return
    try:
        client.send(calls.acknowledge_training(training.id))
    except NotFound:
        say(f"Training {training.id} was deleted from the service; its success is not recorded")


def definition_mismatch(entity: Mapping[str, Any], definition: TrainingDefinition) -> str | None:
    """
    Return why a training was not made from *definition*; None if all but passwords and the tag is equal.

    :param entity: the training's entity, as the service sends it. What its answer adds is left out.
    """
    from pydantic import ValidationError

    from airflow_dlaas.contract.definition import TrainingDefinition

    if "/versions/" not in definition.model_definition.definition_location:
        return "the definition names no version of its experiment, whose code may have changed"
    sent = {name: value for name, value in entity.items() if name != "status"}
    results = sent.get("training_results")
    if isinstance(results, Mapping):
        sent["training_results"] = {name: value for name, value in results.items() if name != "location"} or None
    try:
        known = TrainingDefinition.model_validate(sent, extra="ignore")
    except ValidationError:
        return "the service does not repeat its definition as it was sent"
    return None if _normalize_definition(known) == _normalize_definition(definition) else "the definition has changed"


def _reuse_obstacle(
    client: Client, training: Training, definition: TrainingDefinition, results_connection: SwiftConnection
) -> str | None:
    from airflow_dlaas.hooks.swift import make_store

    echo = client.send(calls.get_training_entity(training.id))
    if why := definition_mismatch(echo, definition):
        return why
    reported = training.entity.training_results
    if reported is None or reported.location is None:
        return "its status names no place of its results"
    place = reported.location
    with make_store(results_connection) as store:
        if next(iter(store.list_objects(place.container, f"{place.model_location}/")), None) is None:
            return f"nothing lies in container {place.container} under {place.model_location}/ any more"
    return None


def _normalize_definition(definition: TrainingDefinition) -> dict[str, Any]:
    document = definition.model_dump(mode="json", by_alias=True, exclude_none=True)
    stores = [*document["training_data"], *filter(None, [document.get("training_results")])]
    for entry in stores:
        entry["connection"].pop("password", None)
    model = document["model_definition"]
    model["description"] = without_run_key(model["description"])
    model["definition_location"] = urlsplit(model["definition_location"]).path.rstrip("/").removesuffix("/content")
    return document
