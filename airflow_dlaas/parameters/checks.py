"""
Checks of the parameters of operators and sensors. No I/O; imports nothing of Airflow.

Each ``require_…`` receives a value and returns the value to use, or raises `InvalidValue`; the message is the end of a
sentence that begins with the parameter's name. `optional` and `CheckStage` define when a value is not checked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from airflow_dlaas.parameters.rendering import has_template

T = TypeVar("T")

NATIVE_NUMBER_HINT = " (native rendering makes a number of a template that gives a number: write '{{ … | string }}')"


class InvalidValue(ValueError):
    """A parameter cannot have this value; the message continues a sentence that begins with the parameter's name."""


class CheckStage:
    """
    When a value is checked: while the DAG file is parsed, or when the task runs.

    No dataclass: making one costs a tenth of the import of all operators, which each parse of a DAG file pays.

    :param rendered: the task runs: templates are rendered, and the results of other tasks are known.
    :param templated: the parameter is a template field.
    """

    __slots__ = ("rendered", "templated")

    def __init__(self, *, rendered: bool, templated: bool = True) -> None:
        self.rendered = rendered
        self.templated = templated

    def is_unresolved(self, value: object) -> bool:
        """Return whether *value* is not known before the task runs."""
        return self.templated and not self.rendered and is_runtime_value(value)


ParameterCheck = Callable[[Any, CheckStage], Any]


def is_runtime_value(value: object) -> bool:
    """Return whether *value* contains a template, or is a reference that Airflow resolves when the task runs."""
    if isinstance(value, str):
        return has_template(value)
    # Airflow's `ResolveMixin`: the result of another task, a parameter of the DAG, an element of a mapped group. Since
    # Airflow 3.3 a function can replace a template; Airflow calls it when the task runs.
    return callable(getattr(value, "iter_references", None)) or callable(value)


def format_value(value: object) -> str:
    """Return *value* for a message; the module that formats it is imported only if there is an error to report."""
    from airflow_dlaas.contract import format_value as formats

    return formats.format_value(value)


def optional(check: ParameterCheck) -> ParameterCheck:
    """Return a check that accepts None, which means "not given", and otherwise applies *check*."""

    def require(value: Any, stage: CheckStage) -> Any:
        return None if value is None else check(value, stage)

    return require


def require_any_text(value: Any, stage: CheckStage) -> str:
    """Require a text; it may be empty."""
    if not isinstance(value, str):
        number = stage.rendered and isinstance(value, (int, float))
        raise InvalidValue(f"must be a text, not {format_value(value)}{NATIVE_NUMBER_HINT if number else ''}")
    return value


def require_text(value: Any, stage: CheckStage) -> str:
    """Require a text that is not empty."""
    text = require_any_text(value, stage)
    if not text.strip():
        raise InvalidValue("is empty")
    return text


def require_container(value: Any, stage: CheckStage) -> str:
    """Require the name of a container."""
    from airflow_dlaas.contract.store_names import require_container_name

    return _apply_rule(require_container_name, require_any_text(value, stage))


def require_folder_prefix(value: Any, stage: CheckStage) -> str:
    """Require a prefix: the path of a folder in a container; empty for the whole container."""
    from airflow_dlaas.contract.store_names import require_prefix

    return _apply_rule(require_prefix, require_any_text(value, stage))


def require_stripped_prefix(value: Any, stage: CheckStage) -> str:
    """Require a prefix; slashes at its ends are accepted and removed."""
    from airflow_dlaas.contract.store_names import require_prefix

    return _apply_rule(require_prefix, require_any_text(value, stage).strip("/"))


def require_object(value: Any, stage: CheckStage) -> str:
    """Require the name of an object; it may be a name that only another program would store."""
    from airflow_dlaas.contract.store_names import require_object_name

    return _apply_rule(require_object_name, require_any_text(value, stage))


def require_bool(value: Any, _: CheckStage) -> bool:
    """Require True or False."""
    if not isinstance(value, bool):
        raise InvalidValue(f"must be True or False, not {format_value(value)}")
    return value


def require_resume(value: Any, _: CheckStage) -> bool | str:
    """Require True, False or "always"."""
    if not (isinstance(value, bool) or value == "always"):
        raise InvalidValue(f"must be True, False or 'always', not {format_value(value)}")
    return cast("bool | str", value)


def require_metric_mode(value: Any, _: CheckStage) -> str:
    """Require "min" or "max"."""
    if value not in ("min", "max"):
        raise InvalidValue(f"must be 'min' or 'max', not {format_value(value)}")
    return str(value)


def require_positive_int(value: Any, _: CheckStage) -> int:
    """Require a whole number of 1 or more."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValue(f"must be a whole number, not {format_value(value)}")
    if value < 1:
        raise InvalidValue(f"must be 1 or more, not {value}")
    return value


def require_duration(value: Any, stage: CheckStage) -> timedelta:
    """Require a `timedelta` or seconds, more than 0; a rendered template may also give the number as text."""
    duration = _parse_duration(value, stage)
    if duration <= timedelta(0):
        raise InvalidValue(f"must be more than 0, not {format_value(value)}; without it there is no limit")
    return duration


def require_duration_or_zero(value: Any, stage: CheckStage) -> timedelta:
    """Require a `timedelta` or seconds, 0 or more; a rendered template may also give the number as text."""
    duration = _parse_duration(value, stage)
    if duration < timedelta(0):
        raise InvalidValue(f"must be 0 or more, not {format_value(value)}")
    return duration


def require_location(value: Any, stage: CheckStage) -> str:
    """Require a path: a text, or an object of `pathlib` or of Airflow's `ObjectStoragePath`; return its text."""
    from airflow_dlaas.contract.store_names import require_container_name

    if is_path(value):
        return require_text(str(value), stage)  # its class has parsed the address, and may have normalized it
    if not isinstance(value, str):
        raise InvalidValue(f"must be a path, as a text, a Path or an ObjectStoragePath, not {format_value(value)}")
    text = require_text(value, stage)
    if "\0" in text:
        raise InvalidValue("contains a NUL character")
    if text.startswith("swift://"):
        _apply_rule(require_container_name, urlsplit(text).netloc.rpartition("@")[2])
    return text


def is_path(value: object) -> bool:
    """Return whether *value* is a path object: of `pathlib`, or similar to Airflow's `ObjectStoragePath`."""
    # ObjectStoragePath is not an `os.PathLike` in every version of universal-pathlib, and importing its class is slow.
    return isinstance(value, os.PathLike) or (hasattr(value, "storage_options") and hasattr(value, "joinpath"))


def require_patterns(value: Any, stage: CheckStage) -> tuple[str, ...]:
    """Require names and globs: a list, or a text for a single one."""
    from airflow_dlaas.contract.patterns import parse_patterns

    return _apply_list_rule(parse_patterns, value, stage)


def require_object_names(value: Any, stage: CheckStage) -> tuple[str, ...]:
    """Require names of objects: a list, or a text for a single one."""
    from airflow_dlaas.contract.patterns import parse_object_names

    return _apply_list_rule(parse_object_names, value, stage)


def require_requirements(value: Any, stage: CheckStage) -> tuple[str, ...]:
    """Require packages as in a requirements.txt: a list, or a text for a single one."""
    from airflow_dlaas.packaging.requirements_file import parse_requirements

    return _apply_list_rule(parse_requirements, value, stage)


def require_text_dict(value: Any, stage: CheckStage) -> dict[str, Any]:
    """Require a dict whose keys and values are texts."""
    if not isinstance(value, Mapping):
        raise InvalidValue(f"must be a dict, not {format_value(value)}")
    checked = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise InvalidValue(f"must have texts as its keys, not {format_value(name)}")
        try:
            checked[name] = item if stage.is_unresolved(item) else require_text(item, stage)
        except InvalidValue as error:
            raise InvalidValue(f"[{name!r}] {error}") from None
    return checked


def require_definition(value: Any, _: CheckStage) -> Any:
    """Require a training definition: a dict, its JSON text, or the path of a JSON file; does not check its content."""
    if is_path(value):
        value = str(value)
        if not value.endswith(".json"):
            raise InvalidValue(f"must be the path of a .json file, not {value!r}")
    if isinstance(value, str):
        if not value.strip():
            raise InvalidValue("is empty")
        return value
    if not isinstance(value, Mapping):
        raise InvalidValue(f"must be a dict, its JSON text or the path of a .json file, not {format_value(value)}")
    return value


def require_dict_list(value: Any, stage: CheckStage) -> list[Any]:
    """Require a list of dicts."""
    if not isinstance(value, (list, tuple)):
        raise InvalidValue(f"must be a list of dicts, not {format_value(value)}")
    for index, item in enumerate(value):
        if not stage.is_unresolved(item) and not isinstance(item, Mapping):
            raise InvalidValue(f"must contain dicts only; item {index} is {format_value(item)}")
    return list(value)


def _parse_duration(value: Any, stage: CheckStage) -> timedelta:
    if stage.rendered and isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise InvalidValue(f"must be a number of seconds, not {value!r}") from None
    if isinstance(value, bool) or not isinstance(value, (int, float, timedelta)):
        raise InvalidValue(f"must be a timedelta or a number of seconds, not {format_value(value)}")
    try:
        return value if isinstance(value, timedelta) else timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise InvalidValue(f"must be a number of seconds that a timedelta can hold, not {value}") from None


def _apply_rule(rule: Callable[[object, str], T], value: object) -> T:
    """Apply a rule of `contract`, whose error begins with the parameter's name and a colon."""
    from airflow_dlaas.exceptions import InvalidArgument

    try:
        return rule(value, "")
    except InvalidArgument as error:
        raise InvalidValue(str(error).removeprefix(": ")) from None


def _apply_list_rule(
    rule: Callable[[object, str], tuple[str, ...] | None], value: Any, stage: CheckStage
) -> tuple[str, ...]:
    if value is None:
        raise InvalidValue("must be a text or a list of texts, not None")
    if isinstance(value, (list, tuple)):  # an item that is not known yet is accepted and kept
        _apply_rule(rule, ["later" if stage.is_unresolved(item) else item for item in value])
        return tuple(value)
    return _apply_rule(rule, value) or ()
