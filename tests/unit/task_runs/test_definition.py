"""Tests of the definition as a DAG author writes it, with connection ids, and of its checks while the DAG is parsed."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from pydantic import SecretStr

from airflow_dlaas.contract.stores import DataContainerRef, S3StoreConnection, StoreType, SwiftStoreConnection
from airflow_dlaas.contract.task_tag import TaskTag
from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.task_runs.definition import (
    build_definition,
    conn_ids,
    require_valid_definition,
    results_conn_id,
    results_container,
    with_task_description,
)
from airflow_dlaas.task_runs.store_entries import SentStore

DOCUMENT: dict[str, Any] = {
    "model_definition": {
        "name": "digits",
        "framework": {"name": "tensorflow", "version": "2.21"},
        "execution": {"command": "python3 train.py", "resourceType": "small"},
    },
    "training_data": [
        {"connection": "my_swift", "source": {"container": "digits", "type": "softlayer_objectstore"}},
    ],
}
LOCATION = "http://h/v3/ml_assets/experiments/1/versions/2"


def store(conn_id: str) -> SentStore:
    assert conn_id == "my_swift"
    connection = SwiftStoreConnection(auth_url="http://s/auth/v1.0", user_id="a:b", password=SecretStr("key"))
    return SentStore(StoreType.SOFTLAYER, connection, "swift")


def make_document(**model: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["model_definition"].update(model)
    return document


def test_build_definition_inserts_credentials_and_location() -> None:
    definition = build_definition(DOCUMENT, store, location=LOCATION)
    assert definition.training_data[0].connection.password.get_secret_value() == "key"
    assert definition.model_definition.definition_location == LOCATION


def test_build_definition_accepts_json_text() -> None:
    assert build_definition(json.dumps(DOCUMENT), store, location=LOCATION) == build_definition(
        DOCUMENT, store, location=LOCATION
    )


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_file_that_is_no_definition_is_refused(text: str) -> None:
    with pytest.raises(InvalidDefinition):
        build_definition(text, store, location=LOCATION)


def test_the_parse_finds_typos_before_anything_runs() -> None:
    with pytest.raises(InvalidDefinition, match="authr: is not a key"):
        require_valid_definition(make_document(authr="me"), has_location=True)


def test_require_valid_definition_skips_templates_and_results_of_other_tasks() -> None:
    document = make_document(name="{{ dag.dag_id }}", definition_location=BaseOperator(task_id="experiment").output)
    document["model_definition"]["execution"]["resourceType"] = "{{ params.size }}"
    require_valid_definition(document, has_location=False)


def test_require_valid_definition_requires_a_location_unless_it_is_given_separately() -> None:
    require_valid_definition(DOCUMENT, has_location=True)
    with pytest.raises(InvalidDefinition, match="definition_location: is missing"):
        require_valid_definition(DOCUMENT, has_location=False)


def test_require_valid_definition_refuses_credentials_and_names_the_remedy() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["training_data"][0]["connection"] = {"auth_url": "http://s", "userId": "u", "password": "in the open"}
    with pytest.raises(InvalidDefinition, match="id of an Airflow connection") as raised:
        require_valid_definition(document, has_location=True)
    assert "in the open" not in str(raised.value)


S3_STORE = SentStore(StoreType.S3, S3StoreConnection(access_key_id="AKIA", secret_access_key=SecretStr("key")), "aws")


def with_data(*entries: dict[str, Any], **results: Any) -> dict[str, Any]:
    return {**DOCUMENT, "training_data": list(entries), **results}


def test_type_of_a_store_is_that_of_its_connection() -> None:
    document = with_data({"connection": "lake", "source": {"container": "a", "prefix": "day", "include": ["*.csv"]}})
    require_valid_definition(document, has_location=True)
    definition = build_definition(document, lambda _: S3_STORE, location=LOCATION)
    (source,) = definition.training_data
    assert source.connection == S3_STORE.credentials
    assert isinstance(source.source, DataContainerRef)
    assert (source.source.type, source.source.prefix, source.source.include) == (StoreType.S3, "day", ("*.csv",))


def test_type_of_2017_is_kept_and_one_of_another_store_is_refused() -> None:
    entry = {"connection": "lake", "source": {"container": "a", "type": "s3_datastore"}}
    definition = build_definition(with_data(entry), lambda _: S3_STORE, location=LOCATION)
    assert definition.training_data[0].source.type is StoreType.S3_DATASTORE
    other = {"connection": "lake", "source": {"container": "a", "type": "softlayer_objectstore"}}
    problem = r"training_data\[0\]\.source\.type: is softlayer_objectstore, but its connection is of type aws"
    with pytest.raises(InvalidDefinition, match=problem):
        build_definition(with_data(other), lambda _: S3_STORE, location=LOCATION)


def test_mounted_folder_needs_no_connection_and_results_may_be_left_to_the_service() -> None:
    mount = {"source": {"type": "mount_volume", "path": "/data/x"}}
    results = {"connection": "my_swift", "target": {"container": "r"}}
    for document in (with_data(mount), with_data(mount, training_results=results), with_data()):
        require_valid_definition(document, has_location=True)
    assert conn_ids(with_data(mount)) == frozenset()
    assert results_conn_id(with_data(mount)) is None
    assert results_container(with_data(mount)) is None
    both = with_data(mount, training_results=results)
    assert (results_conn_id(both), results_container(both)) == ("my_swift", "r")
    assert build_definition(both, store, location=LOCATION).results_store.target.container == "r"
    assert results_conn_id(with_data(mount, {"connection": "lake", "source": {"bucket": "b"}})) == "lake"


@pytest.mark.parametrize("empty", ["", " "])
def test_require_valid_definition_refuses_an_empty_connection(empty: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["training_results"] = {"connection": empty, "target": {"container": "r", "type": "softlayer_objectstore"}}
    with pytest.raises(InvalidDefinition, match=r"training_results\.connection: is empty"):
        require_valid_definition(document, has_location=True)


def test_require_valid_definition_refuses_a_missing_connection() -> None:
    document = copy.deepcopy(DOCUMENT)
    del document["training_data"][0]["connection"]
    with pytest.raises(InvalidDefinition, match=r"training_data\[0\].connection: is missing"):
        require_valid_definition(document, has_location=True)


def make_secrets(**secrets: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["model_definition"]["execution"]["secrets"] = secrets
    return document


@pytest.mark.parametrize(
    "value",
    ["conn:hf", "conn:hf/login", "conn:hf/extra.hub.token", "var:token", "conn:{{ params.team }}/password", None],
)
def test_require_valid_definition_accepts_references_to_secrets(value: str | None) -> None:
    require_valid_definition(make_secrets(HF_TOKEN=value), has_location=True)


@pytest.mark.parametrize("value", ["hf_in-the-open", "{{ var.value.hf_in-the-open }}", ["hf_in-the-open"], 5])
def test_require_valid_definition_refuses_a_secret_in_the_open_and_names_the_remedy(value: Any) -> None:
    with pytest.raises(
        InvalidDefinition, match=r"execution\.secrets\.HF_TOKEN: must be a reference.*conn:ID"
    ) as raised:
        require_valid_definition(make_secrets(HF_TOKEN=value), has_location=True)
    assert "in-the-open" not in str(raised.value)


def test_require_valid_definition_checks_the_names_of_secrets() -> None:
    with pytest.raises(InvalidDefinition, match="PATH is set by the service"):
        require_valid_definition(make_secrets(PATH="conn:hf"), has_location=True)


def test_require_valid_definition_skips_secrets_of_another_task() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["model_definition"]["execution"]["secrets"] = BaseOperator(task_id="references").output
    require_valid_definition(document, has_location=True)


def test_build_definition_inserts_the_values_of_secrets_and_changes_no_document() -> None:
    document = make_secrets(HF_TOKEN="conn:hf")
    definition = build_definition(document, store, location=LOCATION, secret_values={"HF_TOKEN": "hf_abcdef"})
    secrets = definition.model_definition.execution.secrets
    assert secrets is not None
    assert secrets["HF_TOKEN"].get_secret_value() == "hf_abcdef"
    assert document == make_secrets(HF_TOKEN="conn:hf")
    assert "hf_abcdef" not in repr(definition) + definition.model_dump_json()


def test_build_definition_refuses_a_literal_that_a_template_has_made() -> None:
    with pytest.raises(InvalidDefinition, match="must be a reference"):
        build_definition(make_secrets(HF_TOKEN="hf_abcdef"), store, location=LOCATION)


def test_tag_of_the_task_is_at_the_end_of_the_description_and_always_the_same() -> None:
    tag = TaskTag("digits", "train")
    tagged = with_task_description(DOCUMENT, tag)
    assert with_task_description(tagged, tag) == tagged
    definition = build_definition(tagged, store, location=LOCATION)
    assert definition.model_definition.description.endswith("[airflow dag=digits task=train]")
    assert TaskTag.from_description(definition.model_definition.description) == tag
    for model in (None, "text", {"description": 7}):
        assert with_task_description({"model_definition": model}, tag) == {"model_definition": model}
    assert with_task_description({"model_definition": {"description": None}}, tag) == {
        "model_definition": {"description": str(tag)}
    }
