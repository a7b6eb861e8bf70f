"""Refuses a definition with keys that the service does not know, before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_dlaas.contract.definition_keys import used_definition_keys
from airflow_dlaas.exceptions import InvalidDefinition

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition


def require_known_keys(client: Client, definition: TrainingDefinition) -> None:
    """
    Require that the service knows each key of *definition* that the API of 2017 does not have.

    It lists those that it knows in the description of its instance, which is requested once for a client, and only if
    *definition* has such a key. An empty object or list needs nothing of the service and counts too: the service would
    refuse its key.

    :raises InvalidDefinition: with each key that the service does not know; nothing was sent.
    :raises ServiceError: the description could not be requested.
    """
    used = list(used_definition_keys(definition.model_dump(mode="json", by_alias=True, exclude_none=True)))
    if not used:
        return
    known = client.extensions.definition_keys
    unknown = [key for key in used if key not in known]
    if unknown:
        reason = f"the service at {client.url} does not know this key (an older airflow-dlaas, or another service)"
        raise InvalidDefinition([f"{key}: {reason}: leave it out, or upgrade the service" for key in unknown])
