"""
The parameters of all operators and sensors, with the result of each type of value.

A parameter that is not in `ROWS` fails `tests/unit/operators/test_parameters.py`.
"""

from __future__ import annotations

import inspect
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, get_origin

from airflow.sdk import BaseOperator

from airflow_dlaas.get_provider_info import get_provider_info

REFUSED = object()
"""Represents an error that names the parameter."""
DEFAULT = object()
"""Represents the parameter's default."""

FRAMEWORK = {"name": "tensorflow", "version": "1.0"}

DEFINITION: dict[str, Any] = {
    "model_definition": {
        "name": "n",
        "definition_location": "/v3/x",
        "framework": FRAMEWORK,
        "execution": {"command": "true", "resourceType": "small"},
    },
    "training_data": [
        {"connection": "swift_default", "source": {"container": "d", "type": "softlayer_objectstore"}},
    ],
}

VALUES: dict[str, Any] = {
    "None": None,
    "empty": "",
    "zero": 0,
    "minus": -1,
    "int": 7,
    "float": 1.5,
    "true": True,
    "text": "x",
    "digits": "2026",
    "list": ["x", "y"],
    "path": Path("/x/y"),
    "dict": {"name": "x", "version": "1.0"},
    "seconds": timedelta(seconds=9),
}

TEXT = {"text": "x", "digits": "2026"}
PATTERNS = {"text": ("x",), "digits": ("2026",), "list": ("x", "y")}

KINDS: dict[str, dict[str, Any]] = {
    "text": TEXT,
    "text or nothing": TEXT | {"None": None},
    "any text": TEXT | {"empty": ""},
    "place": TEXT | {"path": "/x/y"},
    "patterns or nothing": PATTERNS | {"None": None},
    "texts by name": {"dict": VALUES["dict"]},
    "definition": {},
    "sources or nothing": {"None": None},
    "results or nothing": {"None": None},
    "hyperparameters or nothing": {"None": None, "dict": VALUES["dict"]},
    "environment or nothing": {"None": None, "dict": VALUES["dict"]},
    "references or nothing": {"None": None},
    "resources or nothing": {"None": None},
    "recovery or nothing": {"None": None},
    "list of dicts or nothing": {"None": None},
    "flag": {"true": True},
    "flag of Airflow": {"true": True, "None": DEFAULT},
    "count": {"int": 7},
    "count or nothing": {"int": 7, "None": None},
    "mode or nothing": {"None": None},
    "duration or nothing": {
        "None": None,
        "int": timedelta(seconds=7),
        "float": timedelta(seconds=1.5),
        "seconds": timedelta(seconds=9),
    },
    "duration, zero or nothing": {
        "None": None,
        "zero": timedelta(0),
        "int": timedelta(seconds=7),
        "float": timedelta(seconds=1.5),
        "seconds": timedelta(seconds=9),
    },
}
"""The results by type of parameter and by the label in `VALUES`; other values are refused."""

RENDERED: dict[str, dict[str, Any]] = {
    "duration or nothing": {"digits": timedelta(seconds=2026)},
    "duration, zero or nothing": {"digits": timedelta(seconds=2026)},
}
"""The results for values of templates, if they differ."""

ROWS = {
    "UploadDataOperator": {
        "source": "place",
        "container": "text",
        "prefix": "any text",
        "include": "patterns or nothing",
        "exclude": "patterns or nothing",
        "delete": "flag",
        "allow_empty": "flag",
        "store_conn_id": "text or nothing",
        "swift_conn_id": "text or nothing",
    },
    "DownloadDataOperator": {
        "container": "text",
        "destination": "place",
        "prefix": "any text",
        "allow_empty": "flag",
        "store_conn_id": "text or nothing",
        "swift_conn_id": "text or nothing",
    },
    "DeleteDataOperator": {
        "container": "text",
        "prefix": "any text",
        "names": "patterns or nothing",
        "everything": "flag",
        "store_conn_id": "text or nothing",
        "swift_conn_id": "text or nothing",
    },
    "PackageModelOperator": {
        "source": "place",
        "destination": "place",
        "include": "patterns or nothing",
        "exclude": "patterns or nothing",
        "allow_nested": "flag",
        "allow_secrets": "patterns or nothing",
        "nested": "flag",
        "requirements": "patterns or nothing",
    },
    "CreateExperimentOperator": {
        "name": "text",
        "bundle": "place",
        "framework": "texts by name",
        "description": "any text",
        "author": "text or nothing",
        "reuse": "flag",
        "nested": "flag",
        "dlaas_conn_id": "text",
    },
    "DeleteExperimentOperator": {"definition_location": "text", "dlaas_conn_id": "text"},
    "FetchModelOperator": {
        "training_id": "text",
        "destination": "place",
        "part": "any text",
        "store_conn_id": "text or nothing",
        "swift_conn_id": "text or nothing",
        "dlaas_conn_id": "text",
    },
    "SubmitTrainingOperator": {
        "definition": "definition",
        "definition_location": "text or nothing",
        "retry_failed": "flag",
        "resume": "flag",
        "training_data": "sources or nothing",
        "training_results": "results or nothing",
        "hyperparameters": "hyperparameters or nothing",
        "environment": "environment or nothing",
        "secrets": "references or nothing",
        "training_resources": "resources or nothing",
        "time_limit": "duration or nothing",
        "grace": "duration, zero or nothing",
        "recovery": "recovery or nothing",
        "resume_from": "text or nothing",
        "metric_definitions": "list of dicts or nothing",
        "dlaas_conn_id": "text",
    },
    "TrainModelOperator": {
        "definition": "definition",
        "definition_location": "text or nothing",
        "retry_failed": "flag",
        "resume": "flag",
        "training_data": "sources or nothing",
        "training_results": "results or nothing",
        "hyperparameters": "hyperparameters or nothing",
        "environment": "environment or nothing",
        "secrets": "references or nothing",
        "training_resources": "resources or nothing",
        "time_limit": "duration or nothing",
        "grace": "duration, zero or nothing",
        "recovery": "recovery or nothing",
        "resume_from": "text or nothing",
        "metric_definitions": "list of dicts or nothing",
        "dlaas_conn_id": "text",
        "timeout": "duration or nothing",
        "deferrable": "flag of Airflow",
        "mlflow_experiment": "text or nothing",
    },
    "CancelTrainingOperator": {"training_id": "text", "dlaas_conn_id": "text"},
    "DeleteTrainingOperator": {"training_id": "text", "dlaas_conn_id": "text"},
    "PruneResultsOperator": {
        "keep": "count or nothing",
        "keep_best": "text or nothing",
        "mode": "mode or nothing",
        "keep_tags": "patterns or nothing",
        "name": "text or nothing",
        "older_than": "duration or nothing",
        "report_only": "flag",
        "store_conn_id": "text or nothing",
        "swift_conn_id": "text or nothing",
        "dlaas_conn_id": "text",
    },
    "ObjectSensor": {
        "container": "text",
        "name": "text or nothing",
        "prefix": "any text",
        "min_count": "count",
        "deferrable": "flag of Airflow",
        "store_conn_id": "text or nothing",
        "swift_conn_id": "text or nothing",
    },
    "TrainingSensor": {"training_id": "text", "deferrable": "flag of Airflow", "dlaas_conn_id": "text"},
}

REQUIRED: dict[str, dict[str, Any]] = {
    "UploadDataOperator": {"source": "/srv/data", "container": "c"},
    "DownloadDataOperator": {"container": "c", "destination": "/srv/data"},
    "DeleteDataOperator": {"container": "c", "everything": True},
    "PackageModelOperator": {"source": "/srv/code", "destination": "/srv/code.zip"},
    "CreateExperimentOperator": {"name": "n", "bundle": "/srv/code.zip", "framework": FRAMEWORK},
    "DeleteExperimentOperator": {"definition_location": "/v3/ml_assets/experiments/e/versions/v"},
    "FetchModelOperator": {"training_id": "training-x", "destination": "/srv/model"},
    "SubmitTrainingOperator": {"definition": DEFINITION},
    "TrainModelOperator": {"definition": DEFINITION},
    "CancelTrainingOperator": {"training_id": "training-x"},
    "DeleteTrainingOperator": {"training_id": "training-x"},
    "PruneResultsOperator": {"keep_tags": ["promoted"], "keep_best": "loss", "mode": "min"},
    "ObjectSensor": {"container": "c"},
    "TrainingSensor": {"training_id": "training-x"},
}
"""The required parameters of each operator and sensor."""


def steps() -> dict[str, type[BaseOperator]]:
    """Return all operators and sensors of the provider, by class name."""
    return {
        one.__name__: one
        for kind in ("operators", "sensors")
        for place in get_provider_info()[kind]
        for module in place["python-modules"]
        for one in vars(import_module(module)).values()
        # `list[str]` is a class for Python 3.10.
        if inspect.isclass(one) and get_origin(one) is None and issubclass(one, BaseOperator)
        if one.__module__ == module
    }


def own_parameters(step: type[BaseOperator]) -> set[str]:
    """Return the parameters of *step* that this package defines, without those of Airflow."""
    return {
        name
        for one in step.__mro__
        if one.__module__.startswith("airflow_dlaas.") and "__init__" in vars(one)
        for name, parameter in inspect.signature(vars(one)["__init__"]).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def make(name: str, /, **given: Any) -> Any:
    """Create the step *name* with its required parameters and *given*."""
    return steps()[name](**{"task_id": "step", **REQUIRED[name], **given})


def expected(name: str, parameter: str, label: str, *, rendered: bool = False) -> Any:
    """Return the expected result of the value *label* for a step's parameter."""
    kind = ROWS[name][parameter]
    special = RENDERED.get(kind, {}) if rendered else {}
    return special.get(label, KINDS[kind].get(label, REFUSED))


CASES = [(name, parameter) for name, row in ROWS.items() for parameter in row]
