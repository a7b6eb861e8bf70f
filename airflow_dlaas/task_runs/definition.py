"""
The training definition as a DAG author writes it: the page's, with connections by name.

A store's ``connection`` is the id of an Airflow connection instead of credentials, so that no rendered template, XCom
or log can hold a secret; credentials are joined at the moment of sending. No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.parameters.checks import is_runtime_value

if TYPE_CHECKING:
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.hooks.connections import SwiftConnection

LOCATION_PLACEHOLDER = "(known when the task runs)"


def require_valid_definition(document: Mapping[str, Any], *, has_location: bool) -> None:
    """
    Find what is already wrong with *document* while the DAG is parsed, long before a byte is uploaded.

    Whatever holds a template or comes from another task is not judged yet.

    :param has_location: the experiment is named beside the document, so `definition_location` may be missing in it.
    :raises InvalidDefinition: naming every field that is wrong.
    """
    from pydantic import ValidationError

    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.validation_messages import validation_messages

    stand_in = {"auth_url": "http://later", "userId": "later", "password": "later"}
    wrong: list[str] = []
    try:
        whole = _resolve_connections(
            document, lambda _: stand_in, location=LOCATION_PLACEHOLDER if has_location else None
        )
        TrainingDefinition.model_validate(whole)
    except InvalidDefinition as error:
        wrong = list(error.problems)
    except ValidationError as error:
        wrong = validation_messages(error, skip_if=is_runtime_value)
    if wrong:
        raise InvalidDefinition(wrong)


def build_definition(
    document: Mapping[str, Any] | str, get_connection: Callable[[str], SwiftConnection], *, location: str | None
) -> TrainingDefinition:
    """
    Make the definition that goes over the wire, credentials and all.

    :param document: the definition, or its JSON.
    :param get_connection: looks up a connection by its id.
    :param location: the experiment version, where it is named beside the document.
    :raises InvalidDefinition: naming every field that is wrong.
    """
    from airflow_dlaas.contract.definition import TrainingDefinition

    whole = _resolve_connections(
        parse_definition(document), lambda name: get_connection(name).credentials, location=location
    )
    return TrainingDefinition.parse(whole)


def with_metric_definitions(
    document: Mapping[str, Any], metric_definitions: Sequence[Mapping[str, str]] | None
) -> Mapping[str, Any]:
    """Put in *document* how metrics are found in the log, where that is said beside it."""
    return document if metric_definitions is None else {**document, "metric_definitions": list(metric_definitions)}


def conn_ids(document: Mapping[str, Any] | str) -> frozenset[str]:
    """Name the connections that *document* refers to."""
    entries = (entry.get("connection") for _, entry in _iter_store_entries(parse_definition(document)))
    return frozenset(name for name in entries if isinstance(name, str))


def results_conn_id(document: Mapping[str, Any]) -> str:
    """Name the connection to the store that results go to; *document* holds together."""
    results = document.get("training_results") or document["training_data"][0]
    return str(results["connection"])


def parse_definition(document: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """Read a definition that may be JSON text (a rendered file)."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except json.JSONDecodeError as error:
            hint = ""
            if str(document).endswith(".json"):
                hint = "; a file is read only where its path, or a template that ends in .json, stands in the DAG"
            raise InvalidDefinition([f"(the whole): is no JSON: {error}{hint}"]) from None
    if not isinstance(document, Mapping):
        raise InvalidDefinition(["(the whole): must be a JSON object"])
    return document


def _resolve_connections(
    document: Mapping[str, Any], get_credentials: Callable[[str], Any], *, location: str | None
) -> dict[str, Any]:
    whole = dict(document)
    model = whole.get("model_definition")
    if location is not None and isinstance(model, Mapping):
        whole["model_definition"] = {**model, "definition_location": location}
    wrong: list[str] = []
    for path, entry in _iter_store_entries(document):
        name = entry.get("connection")
        if name is None or (isinstance(name, str) and not name.strip()):
            which = "missing" if name is None else "empty"
            wrong.append(f"{path}.connection: is {which}: name an Airflow connection of type swift")
        elif isinstance(name, Mapping):
            wrong.append(
                f"{path}.connection: must be the id of an Airflow connection of type swift, where the credentials "
                "belong; written here they would show in the UI"
            )
    if wrong:
        raise InvalidDefinition(wrong)

    def with_credentials(entry: Any) -> Any:
        if isinstance(entry, Mapping) and isinstance(entry.get("connection"), str):
            return {**entry, "connection": get_credentials(entry["connection"])}
        return entry

    if isinstance(whole.get("training_data"), (list, tuple)):
        whole["training_data"] = [with_credentials(entry) for entry in whole["training_data"]]
    if "training_results" in whole:
        whole["training_results"] = with_credentials(whole["training_results"])
    return whole


def _iter_store_entries(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    data = document.get("training_data")
    if isinstance(data, (list, tuple)):
        for index, entry in enumerate(data):
            if isinstance(entry, Mapping):
                yield f"training_data[{index}]", entry
    results = document.get("training_results")
    if isinstance(results, Mapping):
        yield "training_results", results
