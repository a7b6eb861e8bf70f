"""The submission: sent with a key, so that a lost response creates no second training."""

from __future__ import annotations

from uuid import uuid4

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.require_known_keys import require_known_keys
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.training import Training


def make_key() -> str:
    """Return the idempotency key of one call of `train`: two calls are two trainings."""
    return f"airflow-dlaas-train-{uuid4()}"


def submit(client: Client, definition: TrainingDefinition, key: str) -> Training:
    """
    Submit the training. The request is retried if the service knows the key, and else sent once.

    :raises InvalidDefinition: the service does not know a key of the definition; nothing was sent.
    :raises ServiceError: the service refused it, or did not respond.
    """
    require_known_keys(client, definition)
    has_keys = client.extensions.idempotency_key
    return client.send(calls.create_training(definition, idempotency_key=key if has_keys else None))
