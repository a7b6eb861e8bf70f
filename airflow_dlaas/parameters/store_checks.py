"""Checks of the parameters that are stores of a training: its data and its results. No I/O; no import of Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_dlaas.parameters.checks import CheckStage, InvalidValue, format_value
from airflow_dlaas.parameters.data_sources import MOUNT_TYPE

if TYPE_CHECKING:
    from pydantic import BaseModel

ANY_TYPE = "softlayer_objectstore"
"""Stands for the type of a store that its connection decides: the checks of a container do not depend on it."""


def require_training_data(value: Any, stage: CheckStage) -> list[Any]:
    """Require sources of data, or a single one: `DataSource`, `Mount`, or dicts as in a definition; return a list."""
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise InvalidValue(f"must be a DataSource, a Mount or a list of them, not {format_value(value)}")
    from airflow_dlaas.contract.stores import DataContainerRef, MountRef

    problems: list[str] = []
    for index, one in enumerate(value):
        if stage.is_unresolved(one):
            continue
        if not isinstance(one, Mapping):
            raise InvalidValue(f"must contain DataSource and Mount only; item {index} is {format_value(one)}")
        source = one.get("source")
        if isinstance(source, Mapping):
            model = MountRef if source.get("type") == MOUNT_TYPE else DataContainerRef
            problems += _problems(model, source, f"[{index}].source", stage)
    if problems:
        raise InvalidValue(f"has wrong fields: {'; '.join(problems)}")
    return list(value)


def require_training_results(value: Any, stage: CheckStage) -> Mapping[str, Any]:
    """Require the container of the results: `ResultsContainer`, or a dict as in a definition."""
    if not isinstance(value, Mapping):
        raise InvalidValue(f"must be a ResultsContainer, not {format_value(value)}")
    from airflow_dlaas.contract.stores import ContainerRef

    problems = [
        problem
        for key in ("target", "source")
        if isinstance(container := value.get(key), Mapping)
        for problem in _problems(ContainerRef, container, key, stage)
    ]
    if problems:
        raise InvalidValue(f"has wrong fields: {'; '.join(problems)}")
    return value


def _problems(model: type[BaseModel], value: Mapping[str, Any], path: str, stage: CheckStage) -> list[str]:
    from pydantic import ValidationError

    from airflow_dlaas.contract.validation_messages import validation_messages

    try:
        model.model_validate({"type": ANY_TYPE, **value})
    except ValidationError as error:
        return [f"{path}.{problem}" for problem in validation_messages(error, skip_if=stage.is_unresolved)]
    return []
