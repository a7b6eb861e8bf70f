"""The messages for invalid documents use the terms of JSON and HTTP, not those of the validation library."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import core_schema

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.training import PatchOperation, Training
from airflow_dlaas.contract.validation_messages import validation_message, validation_messages
from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.task_runs.definition import require_valid_definition

LIBRARY = re.compile(
    r"\bInput\b|\binput\b|instance|\btuple\b|dictionary|pydantic|None\b|NoneType|\bstr\b|\bint\b|[Vv]alue error|"
    r"\bvalid (string|tuple|list|integer|number|boolean|enum)|assertion|\battribute",
)
"""Words of Python and of pydantic that no message to a client may have."""

STORE = {
    "auth_url": "http://store/auth/v1.0",
    "userId": "a:b",
    "user_name": "b",
    "password": "p",
    "project_id": "1",
    "region": "r",
    "domain_name": "d",
}
PLACE = {"container": "c", "type": "softlayer_objectstore"}
FRAMEWORK = {"name": "tensorflow", "version": "1.2-py3", "runtimes": [{"name": "python", "version": "3.5"}]}
DEFINITION: dict[str, Any] = {
    "model_definition": {
        "name": "n",
        "description": "d",
        "author": {"name": "A"},
        "definition_location": "/v3/x",
        "framework": FRAMEWORK,
        "execution": {"command": "true", "resourceType": "small"},
    },
    "training_data": [{"connection": STORE, "source": PLACE}],
    "training_results": {"connection": STORE, "target": PLACE},
    "metric_definitions": [{"name": "loss", "regex": "loss=(.*)"}],
}
DRAFT: dict[str, Any] = {
    "name": "n",
    "description": "d",
    "framework": FRAMEWORK,
    "author": {"name": "A", "email": "a@example.org"},
    "training_data_reference": [{"connection": STORE, "source": PLACE}],
}
PATCH = {"op": "replace", "path": "/status/state", "value": "canceled"}
OLDER = {**DEFINITION, "training_results": {"connection": STORE, "source": PLACE}}

VALUES: tuple[Any, ...] = (None, True, 0, -1, 1.5, "", "x", "x" * 5000, "\ud800", [], [None], [1], {}, {"a": 1})


def places(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(document, (dict, list)):
        for key, inner in document.items() if isinstance(document, dict) else enumerate(document):
            yield from places(inner, (*path, key))


def with_value(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


CASES = [
    pytest.param(kind, document, path, id=f"{kind.__name__}-{'.'.join(map(str, path))}")
    for kind, document in (
        (TrainingDefinition, DEFINITION),
        (TrainingDefinition, OLDER),
        (ExperimentDraft, DRAFT),
        (PatchOperation, PATCH),
    )
    for path in places(document)
]


@pytest.mark.parametrize(("kind", "document", "path"), CASES)
def test_messages_have_no_word_of_the_library(
    kind: type[BaseModel], document: Any, path: tuple[str | int, ...]
) -> None:
    """For each type of JSON value at each place of each document of a request."""
    for value in (*VALUES, *({**found, "typo": 1} for found in [reach(document, path)] if isinstance(found, dict))):
        try:
            kind.model_validate(with_value(document, path, value))
        except ValidationError as error:
            for line in validation_messages(error):
                assert not LIBRARY.search(line), line
                assert ": " in line
        if kind is TrainingDefinition and isinstance(document, dict):
            changed = with_value(document, path, value)
            if isinstance(changed, dict):
                try:
                    require_valid_definition(changed, has_location=True)
                except InvalidDefinition as error:
                    for line in error.problems:
                        assert not LIBRARY.search(line), line


def reach(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


LIMITS = ("min_length", "max_length", "pattern", "expected", "gt", "ge", "lt", "le")


@pytest.mark.parametrize("kind", get_args(core_schema.ErrorType))
def test_every_error_type_of_the_library_has_a_message(kind: str) -> None:
    """Also the types that no model raises now: a later one may."""
    message = validation_message(kind, dict.fromkeys(LIMITS, 7))
    assert message
    assert not LIBRARY.search(message)


def test_messages_about_a_response_have_no_word_of_the_library() -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(Training).validate_json(b'{"metadata": 5, "entity": {"status": {"submitted_at": "x"}}}')
    assert not [line for line in validation_messages(raised.value) if LIBRARY.search(line)]


def test_message_about_a_time_names_its_format() -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(datetime).validate_python("yesterday")
    assert validation_messages(raised.value) == [
        "(the whole): must be a point in time in ISO 8601 (2026-03-01T12:00:00.000Z)"
    ]
