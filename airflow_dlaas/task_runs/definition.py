"""
The training definition as a DAG author writes it: a definition of the API with connection ids in place of credentials.

The ``connection`` of a store is the id of an Airflow connection, and a value of `execution.secrets` is a reference, so
that no rendered template, XCom or log contains a secret. Both are inserted when the definition is sent. No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_dlaas.contract.task_tag import TaskTag, with_task_tag
from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.parameters.checks import is_runtime_value
from airflow_dlaas.task_runs.secret_fields import with_placeholders, with_secret_values

if TYPE_CHECKING:
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.hooks.connections import SwiftConnection

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

    placeholder = {"auth_url": "http://later", "userId": "later", "password": "later"}
    problems: list[str] = []
    try:
        complete = _resolve_connections(
            _with_known_hyperparameters(with_placeholders(document)),
            lambda _: placeholder,
            location=LOCATION_PLACEHOLDER if has_location else None,
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
    get_connection: Callable[[str], SwiftConnection],
    *,
    location: str | None,
    secret_values: Mapping[str, str] | None = None,
) -> TrainingDefinition:
    """
    Return the definition to send, with the credentials of its stores and its secrets.

    :param document: the definition, or its JSON.
    :param get_connection: returns the connection with the given id.
    :param location: the experiment version, if it is given separately.
    :param secret_values: the values of its secrets, by variable (`airflow_dlaas.task_runs.secrets`).
    :raises InvalidDefinition: a field is wrong; the error names each such field.
    """
    from airflow_dlaas.contract.definition import TrainingDefinition

    complete = _resolve_connections(
        with_secret_values(parse_definition(document), secret_values or {}),
        lambda name: get_connection(name).credentials,
        location=location,
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
    entries = (entry.get("connection") for _, entry in _iter_store_entries(parse_definition(document)))
    return frozenset(name for name in entries if isinstance(name, str))


def results_conn_id(document: Mapping[str, Any]) -> str:
    """Return the id of the connection to the store of the results; *document* must be valid."""
    results = document.get("training_results") or document["training_data"][0]
    return str(results["connection"])


def results_container(document: Mapping[str, Any]) -> str:
    """Return the container of the results; *document* must be valid."""
    results = document.get("training_results")
    target = (results.get("target") or results["source"]) if results else document["training_data"][0]["source"]
    return str(target["container"])


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


def _resolve_connections(
    document: Mapping[str, Any], get_credentials: Callable[[str], Any], *, location: str | None
) -> dict[str, Any]:
    complete = dict(document)
    model = complete.get("model_definition")
    if location is not None and isinstance(model, Mapping):
        complete["model_definition"] = {**model, "definition_location": location}
    problems: list[str] = []
    for path, entry in _iter_store_entries(document):
        name = entry.get("connection")
        if name is None or (isinstance(name, str) and not name.strip()):
            defect = "missing" if name is None else "empty"
            problems.append(f"{path}.connection: is {defect}: name an Airflow connection of type swift")
        elif isinstance(name, Mapping):
            problems.append(
                f"{path}.connection: must be the id of an Airflow connection of type swift. The credentials belong "
                "in that connection; in the definition, the UI would show them"
            )
    if problems:
        raise InvalidDefinition(problems)

    def with_credentials(entry: Any) -> Any:
        if isinstance(entry, Mapping) and isinstance(entry.get("connection"), str):
            return {**entry, "connection": get_credentials(entry["connection"])}
        return entry

    if isinstance(complete.get("training_data"), (list, tuple)):
        complete["training_data"] = [with_credentials(entry) for entry in complete["training_data"]]
    if "training_results" in complete:
        complete["training_results"] = with_credentials(complete["training_results"])
    return complete


def _iter_store_entries(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    data = document.get("training_data")
    if isinstance(data, (list, tuple)):
        for index, entry in enumerate(data):
            if isinstance(entry, Mapping):
                yield f"training_data[{index}]", entry
    results = document.get("training_results")
    if isinstance(results, Mapping):
        yield "training_results", results
