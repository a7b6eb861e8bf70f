"""
Reuse the completed training of an earlier generation whose task never succeeded; record that a task succeeded.

Airflow may lose the resumption of a task whose training has completed. If such a task is cleared, it does not train
again: the result exists. If a task is cleared after a success, it trains again. So the success is recorded at the
service: a clear deletes XComs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_dlaas._util.terminal_text import escape_control_characters
from airflow_dlaas.client import calls
from airflow_dlaas.contract.results import is_internal
from airflow_dlaas.contract.task_tag import without_task_tag
from airflow_dlaas.exceptions import DlaasError, NotFound
from airflow_dlaas.task_runs.run_key import without_run_key

if TYPE_CHECKING:
    from airflow_dlaas._util.task_logger import TaskLogger
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection


SECRET_KEYS = (
    "password",
    "secret_access_key",
    "aws_secret_access_key",
    "session_token",
    "credentials",
    "access_token",
)
"""The keys of a connection that are secrets, which the service masks: they do not identify a store."""


def is_reusable(
    client: Client,
    training: Training,
    definition: TrainingDefinition,
    results_connection: ObjectStoreConnection | None,
    logger: TaskLogger,
) -> bool:
    """
    Return whether the completed *training* can be the result of a task with *definition*; log the decision.

    :param results_connection: the object store of the definition's results; None if the definition names none.
    """
    if not client.extensions.acknowledgement:
        return False
    try:
        obstacle = _reuse_obstacle(client, training, definition, results_connection)
    except DlaasError as error:
        logger.warning(
            "Comparing training %s of an earlier run of this task with the definition failed (%s); it is not reused",
            training.id,
            error,
        )
        return False
    if obstacle is None:
        logger.info(
            "Training %s of an earlier run of this task has completed, but the task did not succeed; the definition is "
            "the same and the results exist: it is reused instead of training again",
            training.id,
        )
        return True
    logger.info("Training %s of an earlier run of this task has completed and is not reused: %s", training.id, obstacle)
    return False


def acknowledge_success(client: Client, training: Training, logger: TaskLogger) -> None:
    """
    Record at the service that a task has succeeded with the completed *training*.

    :raises ServiceError: the success could not be recorded. The task must fail then: its next try, or the run after a
        clear, uses the training without training again; a success that is not recorded would count as a failure.
    """
    if not client.extensions.acknowledgement:
        return
    try:
        client.send(calls.acknowledge_training(training.id))
    except NotFound:
        logger.warning("Training %s was deleted from the service; the success of its task is not recorded", training.id)


def definition_mismatch(entity: Mapping[str, Any], definition: TrainingDefinition) -> str | None:
    """
    Return why a training does not come from *definition*; None if all is equal except passwords, the tags of the task
    and the training that it resumes.

    :param entity: the training's entity, as the service sends it. Keys that the service adds are not compared.
    """
    from pydantic import ValidationError

    from airflow_dlaas.contract.definition import TrainingDefinition

    if "/versions/" not in definition.model_definition.definition_location:
        return "the definition names no version of its experiment, so its code may have changed"
    sent = {name: value for name, value in entity.items() if name != "status"}
    results = sent.get("training_results")
    if isinstance(results, Mapping):
        sent["training_results"] = {name: value for name, value in results.items() if name != "location"} or None
    try:
        known = TrainingDefinition.model_validate(sent, extra="ignore")
    except ValidationError:
        return "the service does not return its definition as it was sent"
    return None if _normalize_definition(known) == _normalize_definition(definition) else "the definition has changed"


def _reuse_obstacle(
    client: Client,
    training: Training,
    definition: TrainingDefinition,
    results_connection: ObjectStoreConnection | None,
) -> str | None:
    from airflow_dlaas.hooks.object_store import make_store

    if results_connection is None:
        return "its results are in a store that the definition does not name, so it is not known whether they exist"
    entity = client.send(calls.get_training_entity(training.id))
    if mismatch := definition_mismatch(entity, definition):
        return mismatch
    reported = training.entity.training_results
    if reported is None or reported.location is None:
        return "its status does not name where its results are"
    location = reported.location
    with make_store(results_connection) as store:
        stored = store.list_objects(location.container, f"{location.model_location}/")
        if all(is_internal(one.name) for one in stored):
            missing = f"container {location.container} has no objects under {location.model_location}/ any more"
            return escape_control_characters(missing, single_line=True)
    return None


def _normalize_definition(definition: TrainingDefinition) -> dict[str, Any]:
    document = definition.model_dump(mode="json", by_alias=True, exclude_none=True)
    # A training is the same one, whether it began from zero or with a checkpoint of an earlier one.
    document.pop("resume_from", None)
    stores = [*document["training_data"], *filter(None, [document.get("training_results")])]
    for entry in stores:
        connection = entry.get("connection", {})  # a mounted folder has none
        if "session_token" in connection:  # temporary: each task has a key of its own
            connection.pop("access_key_id", None)
        for name in SECRET_KEYS:
            connection.pop(name, None)
    model = document["model_definition"]
    model["description"] = without_task_tag(without_run_key(model["description"]))
    model["definition_location"] = urlsplit(model["definition_location"]).path.rstrip("/").removesuffix("/content")
    return document
