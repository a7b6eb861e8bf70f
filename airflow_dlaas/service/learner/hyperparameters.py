"""The hyperparameters of a definition as the command gets them: environment variables, and a JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.hyperparameter_values import (
    HYPERPARAMETERS_FILE,
    Hyperparameter,
    hyperparameter_variables,
)

FILE_KEPT = (
    f"{HYPERPARAMETERS_FILE} exists in the working directory and stays as it is; the hyperparameters are in the "
    "variables HP_... only"
)
"""The line of the log about a file of the author with the name of ours."""


def command_variables(definition: TrainingDefinition) -> dict[str, str]:
    """Return the variables ``HP_...`` of the command, from which the shell fills placeholders such as ``${HP_lr}``."""
    return hyperparameter_variables(_hyperparameters(definition))


def write_hyperparameters(definition: TrainingDefinition, code: Path) -> str | None:
    """
    Write the file of the hyperparameters into *code*; return a line for the log if something of its name exists.

    Whatever has that name stays: a file, a folder, or a link, which is not followed. Without hyperparameters no file
    is written.

    :raises OSError: the file could not be written.
    """
    values = _hyperparameters(definition)
    if not values:
        return None
    path = code / HYPERPARAMETERS_FILE
    try:
        # O_EXCL refuses a link too, also one without a target.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return FILE_KEPT
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(values, indent=2) + "\n")
    return None


def _hyperparameters(definition: TrainingDefinition) -> Mapping[str, Hyperparameter]:
    return definition.model_definition.execution.hyperparameters or {}
