"""
Checks of the parameters that hold a part of a training definition, such as hyperparameters, resources and recovery.

A name is checked when the DAG is parsed, also if its value is a template or comes from another task. No I/O; imports
nothing of Airflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from airflow_dlaas.parameters.checks import (
    CheckStage,
    InvalidValue,
    ParameterCheck,
    format_value,
    optional,
    require_dict_list,
    require_duration,
    require_duration_or_zero,
    require_text,
)
from airflow_dlaas.parameters.store_checks import require_training_data, require_training_results

NUMBERS_OF_RESOURCES: Mapping[str, Callable[[str], float]] = {"gpus": int, "cpus": float}
"""The resources that are numbers, and how a number is read from the text of a rendered template."""


def require_hyperparameters(value: Any, stage: CheckStage) -> Mapping[str, Any]:
    """
    Require a dict of numbers, texts, true, false, and None, which removes a hyperparameter of the definition.

    A template renders to a text, and stays one; a value from another task keeps its type.
    """
    from airflow_dlaas.contract.hyperparameter_values import require_hyperparameters as require

    mapping = _require_mapping(value)
    _raise_invalid_value(lambda: require(_without_unresolved(mapping, stage, placeholder="")))
    return mapping


def require_environment(value: Any, stage: CheckStage) -> Mapping[str, Any]:
    """Require a dict of texts by the names of variables; None removes a variable of the definition."""
    mapping = _require_variables(value)
    for name, one in mapping.items():
        if not (stage.is_unresolved(one) or one is None or isinstance(one, str)):
            raise InvalidValue(f"[{name!r}] must be a text, not {format_value(one)}")
    return mapping


def require_secret_references(value: Any, stage: CheckStage) -> Mapping[str, Any]:
    """
    Require a dict of references by the names of variables; None removes a secret of the definition.

    A template may be in a reference, but not in its place: the value would be in the rendered template.
    No message has a value: it may be a secret that was written in place of a reference.
    """
    from airflow_dlaas.parameters.secret_reference import is_reference, parse_secret_reference

    mapping = _require_variables(value)
    for name, one in mapping.items():
        if one is None or (stage.is_unresolved(one) and is_reference(one)):
            continue
        try:
            parse_secret_reference(one)
        except ValueError as error:
            raise InvalidValue(f"[{name!r}] {error}") from None
    return mapping


def require_resources(value: Any, stage: CheckStage) -> Mapping[str, Any]:
    """Require resources as in a definition; a number may be the text of a rendered template."""
    from pydantic import ValidationError

    from airflow_dlaas.contract.resources import Resources
    from airflow_dlaas.contract.validation_messages import validation_messages

    mapping = _require_mapping(value)
    if stage.rendered and any(isinstance(mapping.get(name), str) for name in NUMBERS_OF_RESOURCES):
        mapping = {name: _read_number(name, one) for name, one in mapping.items()}
    try:
        Resources.model_validate(dict(mapping))
    except ValidationError as error:
        problems = validation_messages(error, skip_if=stage.is_unresolved)
        if problems:
            raise InvalidValue(f"has wrong fields: {'; '.join(problems)}") from None
    return mapping


def require_recovery(value: Any, stage: CheckStage) -> Mapping[str, Any]:
    """Require the recovery of a definition; a number may be the text of a rendered template."""
    from pydantic import ValidationError

    from airflow_dlaas.contract.recovery import Recovery
    from airflow_dlaas.contract.validation_messages import validation_messages

    mapping = _require_mapping(value)
    if stage.rendered:
        mapping = {name: _read_whole_numbers(one) for name, one in mapping.items()}
    try:
        Recovery.model_validate(dict(mapping))
    except ValidationError as error:
        problems = validation_messages(error, skip_if=stage.is_unresolved)
        if problems:
            raise InvalidValue(f"has wrong fields: {'; '.join(problems)}") from None
    return mapping


DEFINITION_PARTS: Mapping[str, ParameterCheck] = {
    "training_data": optional(require_training_data),
    "training_results": optional(require_training_results),
    "hyperparameters": optional(require_hyperparameters),
    "environment": optional(require_environment),
    "secrets": optional(require_secret_references),
    "training_resources": optional(require_resources),
    "time_limit": optional(require_duration),
    "grace": optional(require_duration_or_zero),
    "recovery": optional(require_recovery),
    "resume_from": optional(require_text),
    "metric_definitions": optional(require_dict_list),
}
"""The parameters that an operator merges into its definition (`airflow_dlaas.task_runs.definition_parts`)."""


def _require_mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidValue(f"must be a dict, not {format_value(value)}")
    for name in value:
        if not isinstance(name, str):
            raise InvalidValue(f"must have texts as its keys, not {format_value(name)}")
    return value


def _require_variables(value: Any) -> Mapping[str, Any]:
    from airflow_dlaas.contract.environment import require_variable_name

    if not isinstance(value, Mapping):  # without the value, which may be a secret
        raise InvalidValue(f"must be a dict, not a value of type {type(value).__name__}")
    for name in value:
        _raise_invalid_value(partial(require_variable_name, name))
    return value


def _without_unresolved(mapping: Mapping[str, Any], stage: CheckStage, *, placeholder: object) -> dict[str, Any]:
    return {name: placeholder if stage.is_unresolved(one) else one for name, one in mapping.items()}


def _raise_invalid_value(check: Callable[[], object]) -> None:
    """Run a check of `contract`; its error has the end of a sentence about the parameter."""
    try:
        check()
    except ValueError as error:
        text = str(error)
        raise InvalidValue(text if text.startswith("must ") else f"has a wrong entry: {text}") from None


def _read_number(name: str, value: object) -> object:
    """Return the number in the text *value* of a resource that is a number; anything else is returned as it is."""
    try:
        return NUMBERS_OF_RESOURCES[name](value) if isinstance(value, str) else value
    except (KeyError, ValueError):
        return value


def _read_whole_numbers(value: object) -> object:
    """Return *value*, a text or a list of texts, with each text of a whole number as that number."""
    if isinstance(value, (list, tuple)):
        return [_read_whole_numbers(one) for one in value]
    try:
        return int(value) if isinstance(value, str) else value
    except ValueError:
        return value
