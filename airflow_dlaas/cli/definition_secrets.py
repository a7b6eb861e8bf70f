"""Secrets of a definition in a file (`execution.secrets`): references to variables of the console's environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.parameters.secret_reference import is_reference, parse_secret_reference

ENVIRONMENT_PREFIX = "env:"

SECRETS_FIELD = "model_definition.execution.secrets"

WAY_OUT = "write env:NAME, and export the variable NAME in this shell"

PLACEHOLDER = "(read when it is submitted)"
"""Stands for a value while a definition is only checked: long enough for a secret."""

GetSecret = Callable[[str], str]
"""Returns the value of a reference; raises `ValueError` with the way out."""


def from_environment(environ: Mapping[str, str]) -> GetSecret:
    """Return the function that takes the values of references ``env:NAME`` from *environ*."""
    return partial(_read_variable, environ)


def check_reference(reference: str) -> str:
    """
    Return a placeholder for a reference that a console or a DAG can resolve: ``env:NAME``, ``conn:…``, ``var:…``.

    :raises ValueError: it is none, or a wrong one.
    """
    if is_reference(reference):
        parse_secret_reference(reference)
    else:
        _variable_name(reference)
    return PLACEHOLDER


def insert_secrets(document: Any, get_secret: GetSecret) -> Any:
    """
    Return *document*, a definition as JSON, with the values of its secrets in the place of their references.

    :raises InvalidDefinition: a secret is no reference, or its variable is missing; the error has no value.
    """
    model: Any = document.get("model_definition") if isinstance(document, dict) else None
    execution: Any = model.get("execution") if isinstance(model, dict) else None
    secrets = execution.get("secrets") if isinstance(execution, dict) else None
    if not isinstance(secrets, dict):
        return document
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, reference in secrets.items():
        try:
            values[name] = get_secret(reference) if isinstance(reference, str) else reference
        except ValueError as error:  # noqa: PERF203 - one error must not hide the others
            problems.append(f"{SECRETS_FIELD}.{name}: {error}")
    if problems:
        raise InvalidDefinition(problems)
    return {**document, "model_definition": {**model, "execution": {**execution, "secrets": values}}}


def _read_variable(environ: Mapping[str, str], reference: str) -> str:
    if is_reference(reference):
        raise ValueError(f"{reference!r} is read by Airflow, and not by this console: {WAY_OUT}")
    name = _variable_name(reference)
    if not environ.get(name):
        raise ValueError(f"the variable {name} of this shell is not set: export it")
    return environ[name]


def _variable_name(reference: str) -> str:
    if not reference.startswith(ENVIRONMENT_PREFIX) or reference == ENVIRONMENT_PREFIX:
        raise ValueError(f"a value in the file would be readable for others: {WAY_OUT}")
    return reference.removeprefix(ENVIRONMENT_PREFIX)
