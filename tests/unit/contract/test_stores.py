"""The sources of training data and the targets of results: what is accepted, and what is refused by which message."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from airflow_dlaas.contract.definition import RESULTS_REQUIRED, TrainingDefinition
from airflow_dlaas.contract.definition_keys import used_store_types
from airflow_dlaas.contract.stores import (
    MASK,
    REVEAL_SECRETS,
    DataContainerRef,
    GcsStoreConnection,
    MountRef,
    S3StoreConnection,
    StoreKind,
    StoreType,
    SwiftStoreConnection,
)
from airflow_dlaas.exceptions import InvalidDefinition
from tests.unit.contract.test_definition import PAGE

SWIFT = PAGE["training_data"][0]["connection"]
S3 = {"access_key_id": "AK", "secret_access_key": "the-secret"}
GCS = {"credentials": '{"private_key": "the-secret"}', "project_id": "p"}
MOUNT = {"source": {"type": "mount_volume", "path": "/data/imagenet"}}


def container(type_: str, connection: Any, **source: Any) -> dict[str, Any]:
    return {"connection": connection, "source": {"container": "c", "type": type_, **source}}


def definition(*data: Any, results: Any = None) -> dict[str, Any]:
    document = copy.deepcopy(PAGE) | {"training_data": list(data)}
    return document if results is None else document | {"training_results": results}


def problems(document: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidDefinition) as raised:
        TrainingDefinition.parse(document)
    assert "the-secret" not in str(raised.value)
    return tuple(raised.value.problems)


@pytest.mark.parametrize(
    ("type_", "connection", "model"),
    [
        ("softlayer_objectstore", SWIFT, SwiftStoreConnection),
        ("bluemix_objectstore", SWIFT, SwiftStoreConnection),
        ("s3_datastore", {"auth_url": "https://s3", "user_name": "AK", "password": "the-secret"}, S3StoreConnection),
        ("s3", S3, S3StoreConnection),
        ("google_cloud_storage", GCS, GcsStoreConnection),
    ],
)
def test_type_of_the_container_decides_which_connection_it_has(type_: str, connection: Any, model: type) -> None:
    document = definition(container(type_, connection))
    parsed = TrainingDefinition.parse(document)
    (data,) = parsed.training_data
    assert type(data.connection) is model
    assert isinstance(data.source, DataContainerRef)
    assert "the-secret" not in f"{parsed!r} {parsed} {parsed.model_dump_json()}"
    assert parsed.model_dump(mode="json", exclude_unset=True, context=REVEAL_SECRETS) == document
    masked = parsed.model_dump(mode="json", exclude_unset=True)
    assert TrainingDefinition.parse(masked).model_dump(mode="json", exclude_unset=True) == masked


def test_bucket_is_another_key_for_the_container_of_data_and_results() -> None:
    bucket = {"bucket": "b", "type": "s3"}
    document = definition({"connection": S3, "source": bucket}, results={"connection": S3, "target": bucket})
    parsed = TrainingDefinition.parse(document)
    assert [source.container for source, _ in parsed.data_containers] == ["b"]
    assert parsed.results_store.target.container == "b"
    both = definition({"connection": S3, "source": {**bucket, "container": "c"}})
    assert "container and bucket have the same meaning" in problems(both)[0]


def test_bucket_with_null_is_a_missing_key() -> None:
    parsed = TrainingDefinition.parse(definition(container("s3", S3, bucket=None)))
    assert parsed.results_store.target.container == "c"
    missing = definition({"connection": S3, "source": {"type": "s3", "bucket": None}})
    assert problems(missing) == ("training_data[0].source.container: is missing",)


def test_mounted_folder_has_no_connection_and_is_read_only() -> None:
    for connection in ({}, {"connection": None}, {"connection": {}}):
        parsed = TrainingDefinition.parse(definition({**MOUNT, **connection}, container("s3", S3)))
        source = parsed.training_data[0].source
        assert isinstance(source, MountRef)
        assert (source.path, source.is_read_only) == ("/data/imagenet", True)
        assert parsed.training_data[0].connection is None
        assert [one.container for one, _ in parsed.data_containers] == ["c"]
        assert parsed.results_store.target.container == "c"
    writable = TrainingDefinition.parse(definition({"source": {**MOUNT["source"], "read_only": False}})).training_data
    assert isinstance(writable[0].source, MountRef)
    assert not writable[0].source.is_read_only


@pytest.mark.parametrize("data", [[], [MOUNT]])
def test_definition_without_a_container_of_data_needs_a_store_for_its_results(data: list[Any]) -> None:
    parsed = TrainingDefinition.parse(definition(*data))
    assert not parsed.has_results_store
    with pytest.raises(InvalidDefinition, match="training_results: is missing"):
        assert parsed.results_store
    results = {"connection": S3, "target": {"container": "r", "type": "s3"}}
    parsed = TrainingDefinition.parse(definition(*data, results=results))
    assert parsed.has_results_store
    assert parsed.results_store.target.container == "r"
    assert RESULTS_REQUIRED.startswith("training_results: ")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (container("nfs", SWIFT), "training_data[0].source.type: must be one of softlayer_objectstore, "),
        (container("s3", {**S3, "key": "x"}), "training_data[0].connection.key: is not a key of the definition"),
        (container("s3", {"access_key_id": "AK"}), "training_data[0].connection: secret_access_key is missing"),
        (container("s3", {**S3, "user_name": "AK"}), "training_data[0].connection: access_key_id is given more than"),
        (container("s3", None), "training_data[0].connection: is missing"),
        (container("google_cloud_storage", {}), "training_data[0].connection: must have exactly one of credentials"),
        (container("google_cloud_storage", S3), "training_data[0].connection.access_key_id: is not a key"),
        (container("softlayer_objectstore", S3), "training_data[0].connection.auth_url: is missing"),
        (container("mount_volume", S3), "training_data[0].source.container: is not a key of the definition"),
        ({**MOUNT, "connection": SWIFT}, "training_data[0].connection: must be absent for a mounted folder"),
        ({"source": {"type": "mount_volume"}}, "training_data[0].source.path: is missing"),
        ({"source": {"type": "mount_volume", "path": "data"}}, "source.path: must be an absolute path"),
        ({"source": {"type": "mount_volume", "path": "/data/../etc"}}, "source.path: must be an absolute path"),
        ({"source": {**MOUNT["source"], "read_only": "maybe"}}, "source.read_only: must be true or false"),
        (container("s3", S3, prefix="/a"), "training_data[0].source.prefix: "),
        (container("s3", S3, include=[""]), "training_data[0].source.include: include[0]: the pattern is empty"),
        (container("s3", S3, exclude="x"), "training_data[0].source.exclude: must be a list"),
        (container("s3", S3, include=["x"] * 1001), "training_data[0].source.include: must have at most 1000"),
        (container("s3", S3, version="1"), "training_data[0].source.version: must match the pattern"),
    ],
)
def test_message_names_the_invalid_field_of_a_source(data: Any, message: str) -> None:
    found = problems(definition(data))
    assert any(message in one for one in found), found


def test_results_are_stored_in_an_object_store() -> None:
    results = {"connection": SWIFT, "target": {"container": "r", "type": "mount_volume"}}
    assert problems(definition(MOUNT, results=results)) == (
        "training_results.target.type: must be an object store, not mount_volume: results are stored in a container",
    )


def test_every_type_has_a_kind() -> None:
    assert {one.kind for one in StoreType} == set(StoreKind)


def test_types_beyond_those_of_2017_are_found_in_data_and_results() -> None:
    results = {"connection": GCS, "target": {"container": "r", "type": "google_cloud_storage"}}
    data = (container("softlayer_objectstore", SWIFT), container("s3", S3), container("s3", S3), MOUNT)
    used = used_store_types(definition(*data, results=results))
    assert list(used) == ["s3", "mount_volume", "google_cloud_storage"]
    assert list(used_store_types(PAGE)) == []


def test_masked_secret_is_the_same_definition_with_another_secret() -> None:
    dumps = [
        TrainingDefinition.parse(definition(container("s3", S3 | {"secret_access_key": one}))).model_dump(mode="json")
        for one in ("first", "second")
    ]
    assert dumps[0] == dumps[1]
    assert dumps[0]["training_data"][0]["connection"]["secret_access_key"] == MASK
