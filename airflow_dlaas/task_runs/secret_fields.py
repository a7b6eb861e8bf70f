"""The references to secrets in a definition (`execution.secrets`), and the values in their place. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.parameters.checks import is_runtime_value
from airflow_dlaas.parameters.secret_reference import is_reference, parse_secret_reference

if TYPE_CHECKING:
    from airflow_dlaas.parameters.secret_reference import SecretReference

SECRETS_FIELD = "model_definition.execution.secrets"

PLACEHOLDER = "(read when the task runs)"
"""Stands for a value while a DAG is parsed: long enough for a secret."""


def secret_references(document: Mapping[str, Any]) -> dict[str, SecretReference]:
    """
    Return the references of *document*, by the name of their variable.

    :raises InvalidDefinition: a value is no reference; the error names each such variable, and no value.
    """
    problems: list[str] = []
    found: dict[str, SecretReference] = {}
    for variable, value in _iter_secrets(document):
        try:
            found[variable] = parse_secret_reference(value)
        except ValueError as error:  # noqa: PERF203 - one error must not hide the others
            problems.append(f"{SECRETS_FIELD}.{variable}: {error}")
    if problems:
        raise InvalidDefinition(problems)
    return found


def with_placeholders(document: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return *document* with `PLACEHOLDER` for each secret, while the DAG is parsed.

    A template may be in the name of a connection, but the beginning of a reference must be there: a template of the
    value itself would put the value into the rendered template.

    :raises InvalidDefinition: a value is no reference; the error names each such variable, and no value.
    """
    known = {
        name: value for name, value in _iter_secrets(document) if not (is_reference(value) and is_runtime_value(value))
    }
    secret_references(_with_secrets(document, known))
    return _with_secrets(document, {name: PLACEHOLDER for name, _ in _iter_secrets(document)})


def with_secret_values(document: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """
    Return *document* with the secret *values*, by variable, in the place of their references.

    :raises InvalidDefinition: a value in *document* is no reference.
    """
    references = secret_references(document)
    return _with_secrets(document, {name: values[name] for name in references})


def _iter_secrets(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    secrets = _execution(document).get("secrets")
    if isinstance(secrets, Mapping):
        for variable, value in secrets.items():
            if value is not None:  # null counts as absent, as for every key
                yield str(variable), value


def _with_secrets(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    complete = dict(document)
    execution = _execution(document)
    if isinstance(execution.get("secrets"), Mapping):
        model = document["model_definition"]
        complete["model_definition"] = {**model, "execution": {**execution, "secrets": dict(values)}}
    return complete


def _execution(document: Mapping[str, Any]) -> Mapping[str, Any]:
    model = document.get("model_definition")
    execution = model.get("execution") if isinstance(model, Mapping) else None
    return execution if isinstance(execution, Mapping) else {}
