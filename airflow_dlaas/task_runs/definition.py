"""
The training definition as a DAG author writes it: a definition of the API with connection ids in place of credentials.

The ``connection`` of a store is the id of an Airflow connection, and a value of `execution.secrets` is a reference, so
that no rendered template, XCom or log contains a secret. Both are inserted when the definition is sent. The type of a
store may be left out: the type of the connection decides it. No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_dlaas.contract.task_tag import TaskTag, with_task_tag
from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.parameters.checks import is_runtime_value
from airflow_dlaas.task_runs.secret_fields import with_placeholders, with_secret_values
from airflow_dlaas.task_runs.store_entries import (
    SentStore,
    container_of,
    iter_store_entries,
    placeholder_store,
    results_entry,
    with_stores,
)

if TYPE_CHECKING:
    from airflow_dlaas.contract.definition import TrainingDefinition

LOCATION_PLACEHOLDER = "(known when the task runs)"


def require_valid_definition(document: Mapping[str, Any], *, has_location: bool) -> None:
    """
    Check *document* while the DAG is parsed, before anything is uploaded.

    A value that contains a template or comes from another task is not checked yet.

    :param has_location: the experiment version is given separately, so `definition_location` may be missing.
    :raises InvalidDefinition: a field is wrong; the error names each such field.
    """
    from pydantic import ValidationError

    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.validation_messages import validation_messages

    problems: list[str] = []
    try:
        complete = with_stores(
            _with_location(
                _with_known_hyperparameters(with_placeholders(document)), LOCATION_PLACEHOLDER if has_location else None
            ),
            placeholder_store,
        )
        TrainingDefinition.model_validate(complete)
    except InvalidDefinition as error:
        problems = list(error.problems)
    except ValidationError as error:
        problems = validation_messages(error, skip_if=is_runtime_value)
    if problems:
        raise InvalidDefinition(problems)


def build_definition(
    document: Mapping[str, Any] | str,
    get_store: Callable[[str], SentStore],
    *,
    location: str | None,
    secret_values: Mapping[str, str] | None = None,
) -> TrainingDefinition:
    """
    Return the definition to send, with the credentials of its stores and its secrets.

    :param document: the definition, or its JSON.
    :param get_store: returns the type and the credentials of the store of the connection with the given id.
    :param location: the experiment version, if it is given separately.
    :param secret_values: the values of its secrets, by variable (`airflow_dlaas.task_runs.secrets`).
    :raises InvalidDefinition: a field is wrong; the error names each such field.
    """
    from airflow_dlaas.contract.definition import TrainingDefinition

    complete = with_stores(
        _with_location(with_secret_values(parse_definition(document), secret_values or {}), location),
        lambda conn_id, _: get_store(conn_id),
    )
    return TrainingDefinition.parse(complete)


def with_task_description(document: Mapping[str, Any], tag: TaskTag) -> Mapping[str, Any]:
    """Return *document* with *tag* in its description, where the service reads which task a training belongs to."""
    model = document.get("model_definition")
    if not isinstance(model, Mapping) or not isinstance(description := model.get("description") or "", str):
        return document  # invalid; the check of the whole definition has the error
    return {**document, "model_definition": {**model, "description": with_task_tag(description, tag)}}


def conn_ids(document: Mapping[str, Any] | str) -> frozenset[str]:
    """Return the ids of the connections in *document*."""
    entries = (entry.get("connection") for _, entry in iter_store_entries(parse_definition(document)))
    return frozenset(name for name in entries if isinstance(name, str))


def results_conn_id(document: Mapping[str, Any]) -> str | None:
    """
    Return the id of the connection to the store of the results; *document* must be valid.

    :return: None if *document* names no container: then the service decides where the results go.
    """
    entry = results_entry(document)
    return None if entry is None else str(entry["connection"])


def results_container(document: Mapping[str, Any]) -> str | None:
    """Return the container of the results; None if *document* names none. *document* must be valid."""
    entry = results_entry(document)
    return None if entry is None else container_of(entry)


def parse_definition(document: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """Return a definition as a mapping; a text is parsed as JSON (it can be a rendered file)."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except json.JSONDecodeError as error:
            hint = ""
            if str(document).endswith(".json"):
                hint = "; a file is read only where its path, or a template that ends with .json, is written in the DAG"
            raise InvalidDefinition([f"(the whole): is not JSON: {error}{hint}"]) from None
    if not isinstance(document, Mapping):
        raise InvalidDefinition(["(the whole): must be a JSON object"])
    return document


def _with_known_hyperparameters(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *document* with a text for each hyperparameter that comes from another task: all are validated at once."""
    model = document.get("model_definition")
    execution = model.get("execution") if isinstance(model, Mapping) else None
    values = execution.get("hyperparameters") if isinstance(execution, Mapping) else None
    if not (
        isinstance(model, Mapping)
        and isinstance(execution, Mapping)
        and isinstance(values, Mapping)
        and any(is_runtime_value(one) for one in values.values())
    ):
        return document
    known = {name: "later" if is_runtime_value(one) else one for name, one in values.items()}
    return {**document, "model_definition": {**model, "execution": {**execution, "hyperparameters": known}}}


def _with_location(document: Mapping[str, Any], location: str | None) -> Mapping[str, Any]:
    """Return *document* with the experiment version *location*; None means that it is not given separately."""
    model = document.get("model_definition")
    if location is None or not isinstance(model, Mapping):
        return document
    return {**document, "model_definition": {**model, "definition_location": location}}
