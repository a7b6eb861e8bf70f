"""Null means absent: in what clients send, in what is stored of it, and in what a peer answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from airflow_dlaas.contract.base import RequestModel, parse_response
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.error import parse_api_error
from airflow_dlaas.contract.experiment import ExperimentDraft, ExperimentList
from airflow_dlaas.contract.training import PatchOperation, ServiceInstance, Training, TrainingList
from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.exceptions import ProtocolError
from airflow_dlaas.task_runs.definition import build_definition, require_valid_definition
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
"""Keys whose content is the client's own: it is echoed as it was sent."""


def keys(document: Any) -> list[tuple[str | int, ...]]:
    """Every place in *document* that is the value of a key of ours."""
    return [
        path for path in places(document) if path and isinstance(path[-1], str) and not FREE.intersection(path[:-1])
    ]


def without(document: Any, path: tuple[str | int, ...]) -> Any:
    made = with_value(document, path, None)
    del reach(made, path[:-1])[path[-1]]
    return made


def read(kind: type[BaseModel], document: Any) -> Any:
    """What is stored of a document, or what is wrong with it."""
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
def test_a_key_with_null_is_a_key_left_out(kind: type[BaseModel], document: Any, path: tuple[str | int, ...]) -> None:
    assert read(kind, with_value(document, path, None)) == read(kind, without(document, path))


def test_a_key_that_is_unknown_is_refused_by_name_also_with_null() -> None:
    assert read(TrainingDefinition, {**DEFINITION, "training_result": None}) == [
        "training_result: is not a key of the definition (a typo?)"
    ]


def test_what_a_client_stores_in_keys_of_its_own_keeps_its_nulls() -> None:
    draft = ExperimentDraft.model_validate({**DRAFT, "author": {"name": "A", "email": None}})
    assert draft.author == {"name": "A", "email": None}


def test_a_dag_may_leave_a_key_open_with_none() -> None:
    stores = {"connection": "swift", "source": {"container": "c", "type": "softlayer_objectstore"}}
    document = {
        "model_definition": {**DEFINITION["model_definition"], "description": None, "author": None},
        "training_data": [stores],
        "training_results": None,
        "metric_definitions": None,
    }
    require_valid_definition(document, has_location=False)

    class Access:
        credentials = DEFINITION["training_data"][0]["connection"]

    definition = build_definition(document, lambda _: Access, location=None)  # type: ignore[arg-type,return-value]
    assert definition.training_results is None
    assert definition.model_definition.description == ""


@pytest.mark.parametrize("path", keys(json.loads(a_reply())))
def test_a_peer_that_writes_null_for_a_key_is_read_as_one_that_leaves_it_out(path: tuple[str | int, ...]) -> None:
    document = json.loads(a_reply("error", error=None, metrics=None, message=None, gpus=None))

    def told(value: Any) -> Training | None:
        try:
            return parse_response(Training)(json.dumps(value).encode())
        except ProtocolError:
            return None

    assert told(with_value(document, path, None)) == told(without(document, path))


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
def test_a_reply_full_of_nulls_is_read(kind: Any, content: bytes) -> None:
    parse_response(kind)(content)


def test_a_refusal_with_nulls_still_names_its_code() -> None:
    error = parse_api_error(400, b'{"trace": "t", "errors": [{"code": "C101", "message": "m", "target": null}]}')
    assert error.code == "C101"


def subclasses(kind: type[BaseModel]) -> list[type[BaseModel]]:
    return [kind, *(one for child in kind.__subclasses__() for one in subclasses(child))]


def test_no_key_of_a_request_is_both_required_and_nullable() -> None:
    """Such a key could not be given at all: with null it counts as missing."""
    for kind in subclasses(RequestModel):
        for name, field in kind.model_fields.items():
            assert not (field.is_required() and type(None) in getattr(field.annotation, "__args__", ())), name
