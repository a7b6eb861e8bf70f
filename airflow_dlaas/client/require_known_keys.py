"""Refuses a definition with keys or types of stores that the service does not know, before it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_dlaas.contract.definition_keys import used_definition_keys, used_store_types
from airflow_dlaas.exceptions import InvalidDefinition

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.instance import Extensions


def require_known_keys(client: Client, definition: TrainingDefinition) -> None:
    """
    Require that the service knows each key and each type of store in *definition* that the API of 2017 does not have.

    It lists those that it knows in the description of its instance, which is requested once for a client, and only if
    *definition* has one of them. An empty object or list needs nothing of the service and counts too: the service would
    refuse its key. A definition that names no container for its results needs a service with a store for them.

    :raises InvalidDefinition: with each key or type that the service does not know; nothing was sent.
    :raises ServiceError: the description could not be requested.
    """
    document = definition.model_dump(mode="json", by_alias=True, exclude_none=True)
    keys, types = list(used_definition_keys(document)), list(used_store_types(document))
    if not keys and not types and definition.has_results_store:
        return
    problems = list(_problems(client.extensions, client.url, keys, types))
    if not definition.has_results_store and not client.extensions.default_results:
        problems.append(
            "training_results: is missing, and training_data names no container of an object store: the service at "
            f"{client.url} has no store of its own for results"
        )
    if problems:
        raise InvalidDefinition(problems)


def _problems(extensions: Extensions, url: str, keys: list[str], types: list[str]) -> Iterator[str]:
    unknown_to = f"the service at {url} does not know this"
    for key in keys:
        if key not in extensions.definition_keys:
            reason = f"{unknown_to} key (an older airflow-dlaas, or another service)"
            yield f"{key}: {reason}: leave it out, or upgrade the service"
    for type_ in types:
        if type_ not in extensions.store_types:
            reason = f"{unknown_to} type of a store (an older airflow-dlaas, or another service)"
            yield f"{type_}: {reason}: use another store, or upgrade the service"
