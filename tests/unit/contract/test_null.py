"""Null means absent: in requests, in stored documents, and in responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from airflow_dlaas.contract.base import RequestModel, parse_response
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.error import parse_api_error
from airflow_dlaas.contract.experiment import ExperimentDraft, ExperimentList
from airflow_dlaas.contract.instance import ServiceInstance
from airflow_dlaas.contract.stores import StoreType, SwiftStoreConnection
from airflow_dlaas.contract.training import PatchOperation, Training, TrainingList
from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.exceptions import ProtocolError
from airflow_dlaas.task_runs.definition import build_definition, require_valid_definition
from airflow_dlaas.task_runs.store_entries import SentStore
from tests.builders import a_reply
from tests.unit.contract.test_validation_messages import DEFINITION, DRAFT, OLDER, PATCH, places, reach, with_value

INSTANCE = json.dumps(
    {
        "metadata": dict.fromkeys(("guid", "url"), "x")
        | dict.fromkeys(("created_at", "modified_at"), "2026-03-01T12:00:00Z"),
        "entity": {"source": None, "extensions": {"changes": None}},
    }
).encode()

FREE = {"author", "training_data_reference", "runtimes"}
"""Keys whose content belongs to the client: it is returned as it was sent."""


def keys(document: Any) -> list[tuple[str | int, ...]]:
    """Return the paths of all keys of *document* that the contract defines."""
    return [
        path for path in places(document) if path and isinstance(path[-1], str) and not FREE.intersection(path[:-1])
    ]


def without(document: Any, path: tuple[str | int, ...]) -> Any:
    changed = with_value(document, path, None)
    del reach(changed, path[:-1])[path[-1]]
    return changed


def read(kind: type[BaseModel], document: Any) -> Any:
    """Return what is stored of a document, or its validation messages."""
    try:
        return kind.model_validate(document).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        return validation_messages(error)


@pytest.mark.parametrize(
    ("kind", "document", "path"),
    [
        pytest.param(kind, document, path, id=f"{kind.__name__}-{'.'.join(map(str, path))}")
        for kind, document in (
            (TrainingDefinition, DEFINITION),
            (TrainingDefinition, OLDER),
            (ExperimentDraft, DRAFT),
            (PatchOperation, PATCH),
        )
        for path in keys(document)
    ],
)
def test_key_with_null_is_the_same_as_a_missing_key(
    kind: type[BaseModel], document: Any, path: tuple[str | int, ...]
) -> None:
    assert read(kind, with_value(document, path, None)) == read(kind, without(document, path))


def test_unknown_key_with_null_is_refused() -> None:
    assert read(TrainingDefinition, {**DEFINITION, "training_result": None}) == [
        "training_result: is not a key of the definition (a typo?)"
    ]


def test_content_of_the_client_keeps_its_nulls() -> None:
    draft = ExperimentDraft.model_validate({**DRAFT, "author": {"name": "A", "email": None}})
    assert draft.author == {"name": "A", "email": None}


def test_definition_of_a_dag_may_have_none_for_optional_keys() -> None:
    stores = {"connection": "swift", "source": {"container": "c", "type": "softlayer_objectstore"}}
    document = {
        "model_definition": {**DEFINITION["model_definition"], "description": None, "author": None},
        "training_data": [stores],
        "training_results": None,
        "metric_definitions": None,
    }
    require_valid_definition(document, has_location=False)

    credentials = SwiftStoreConnection.model_validate(DEFINITION["training_data"][0]["connection"])
    store = SentStore(StoreType.SOFTLAYER, credentials, "swift")
    definition = build_definition(document, lambda _: store, location=None)
    assert definition.training_results is None
    assert definition.model_definition.description == ""


@pytest.mark.parametrize("path", keys(json.loads(a_reply())))
def test_response_with_null_is_read_like_one_without_the_key(path: tuple[str | int, ...]) -> None:
    document = json.loads(a_reply("error", error=None, metrics=None, message=None, gpus=None))

    def read_training(value: Any) -> Training | None:
        try:
            return parse_response(Training)(json.dumps(value).encode())
        except ProtocolError:
            return None

    assert read_training(with_value(document, path, None)) == read_training(without(document, path))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (Training, a_reply(metrics=None, gpus=None, phases=None, usage=None, event_folders=None, message=None)),
        (TrainingList, b'{"resources": [], "next": null}'),
        (ExperimentList, b'{"resources": []}'),
        (
            ServiceInstance,
            INSTANCE,
        ),
    ],
)
def test_response_with_many_nulls_is_read(kind: Any, content: bytes) -> None:
    parse_response(kind)(content)


def test_error_report_with_nulls_has_its_code() -> None:
    error = parse_api_error(400, b'{"trace": "t", "errors": [{"code": "C101", "message": "m", "target": null}]}')
    assert error.code == "C101"


def subclasses(kind: type[BaseModel]) -> list[type[BaseModel]]:
    return [kind, *(one for child in kind.__subclasses__() for one in subclasses(child))]


def test_no_key_of_a_request_is_both_required_and_nullable() -> None:
    """Such a key could have no null: with null it counts as missing."""
    for kind in subclasses(RequestModel):
        for name, field in kind.model_fields.items():
            assert not (field.is_required() and type(None) in getattr(field.annotation, "__args__", ())), name
