"""
Reads the secrets that a definition refers to, from Airflow's connections and variables.

They are read where the definition is sent, on a worker or in the triggerer. Each value is registered at Airflow's
masker: the log of the task never has it. No message has a value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.task_runs.definition import parse_definition
from airflow_dlaas.task_runs.secret_fields import SECRETS_FIELD, secret_references

if TYPE_CHECKING:
    from airflow_dlaas.hooks.airflow_connection import AirflowConnection
    from airflow_dlaas.parameters.secret_reference import SecretReference


def read_secrets(document: Mapping[str, Any] | str) -> dict[str, str]:
    """
    Return the secret values of *document*, a definition or its JSON, by the name of their variable. Blocks.

    :raises InvalidDefinition: a secret is no reference.
    :raises NotConfigured: a connection, a variable or a field is missing or empty, or the value is too short to be
        masked in a log; the message names each such variable with its reference.
    """
    values: dict[str, str] = {}
    problems: list[str] = []
    for variable, reference in secret_references(parse_definition(document)).items():
        try:
            values[variable] = _require_secret(_read(reference))
        except ValueError as error:  # noqa: PERF203 - one error must not hide the others
            problems.append(f"{SECRETS_FIELD}.{variable} ({reference}): {error}")
    if problems:
        raise NotConfigured("; ".join(problems))
    return values


async def aread_secrets(document: Mapping[str, Any] | str) -> dict[str, str]:
    """Return the same as `read_secrets` in an event loop, such as that of the triggerer; without secrets at once."""
    if not secret_references(parse_definition(document)):
        return {}
    # As Airflow itself calls its backends of secrets. In the triggerer, a thread without a link to the event loop
    # could not reach Airflow's API.
    from asgiref.sync import sync_to_async

    values: dict[str, str] = await sync_to_async(read_secrets)(document)
    return values


def _require_secret(value: str | None) -> str:
    from airflow_dlaas.contract.environment import MIN_SECRET_LENGTH

    if not value:
        raise ValueError("it is empty")
    if len(value.strip()) < MIN_SECRET_LENGTH:
        raise ValueError(
            f"it has fewer than {MIN_SECRET_LENGTH} characters, and so short a value cannot be masked in a log"
        )
    from airflow.sdk.log import mask_secret

    mask_secret(value)
    return value


def _read(reference: SecretReference) -> str | None:
    """
    Return the value of *reference*.

    :raises ValueError: there is no such connection or variable, or no such key in its extra.
    """
    if not reference.is_connection:
        from airflow.sdk import Variable

        value = Variable.get(reference.name, default=None)
        if value is None:
            raise ValueError(f"there is no Airflow variable {reference.name!r}")
        return str(value)
    from airflow.sdk import BaseHook

    from airflow_dlaas.hooks.compat import AirflowNotFoundException

    try:
        connection: AirflowConnection = BaseHook.get_connection(reference.name)
    except AirflowNotFoundException:
        raise ValueError(f"there is no Airflow connection {reference.name!r}") from None
    if reference.extra_path:
        return _read_extra(connection.extra_dejson, reference.extra_path)
    value = getattr(connection, reference.field)
    return None if value is None else str(value)


def _read_extra(extra: Any, path: tuple[str, ...]) -> str:
    """Return the value at *path* in the extra of a connection; an object or a list as JSON."""
    for index, key in enumerate(path):
        if not isinstance(extra, Mapping) or extra.get(key) is None:
            raise ValueError(f"the connection's extra has no {'.'.join(path[: index + 1])}")
        extra = extra[key]
    return extra if isinstance(extra, str) else json.dumps(extra)
