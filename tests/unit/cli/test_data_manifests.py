"""Manifests of training data: read from results, compared, and stored as versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_dlaas.cli.data_manifests import (
    compare_sources,
    make_manifest,
    present_source,
    read_manifest,
    source_of_training,
    store_version,
)
from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.data_manifest import DataManifest, ManifestObject, SourceManifest, version_object_name
from airflow_dlaas.contract.data_report import DataSourceReport
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import InvalidArgument, NothingSelected, ObjectNotFound, StoreError
from airflow_dlaas.storage.transfer.plan import planned_deletions
from tests.memory_store import MemoryStore
from tests.unit.cli.trainings import make_training, training_document

ID = "training-AbC_12-xY"


def source(name: str = "c", prefix: str | None = None, **contents: str) -> SourceManifest:
    objects = [ManifestObject(name=one, size=1, digest=f"md5:{digest}") for one, digest in contents.items()]
    return make_manifest(objects, DataSourceReport(name=name, type=StoreType.S3, prefix=prefix))


def manifest(*sources: SourceManifest) -> DataManifest:
    return DataManifest(training_id=ID, sources=sources)


def training(**status: Any) -> Training:
    document = training_document(ID, **status)
    document["entity"]["training_results"] = {"location": {"container": "c", "model_location": ID}}
    return parse_response(Training)(json.dumps(document).encode())


def test_manifest_is_read_from_the_results() -> None:
    stored = manifest(source(a="1"))
    store = MemoryStore(**{f"{ID}/training-data.json": stored.model_dump_json().encode()})
    assert read_manifest(store, training()) == stored
    store.containers["c"]["elsewhere.json"] = store.containers["c"].pop(f"{ID}/training-data.json")
    assert read_manifest(store, training(data={"manifest": "elsewhere.json"})) == stored


@pytest.mark.parametrize(
    ("objects", "trained", "error", "message"),
    [
        ({}, make_training(), ObjectNotFound, "has left no results"),
        ({}, training(), ObjectNotFound, "A service of an earlier release stored none"),
        ({f"{ID}/training-data.json": b""}, training(), StoreError, "is no list of training data"),
        ({f"{ID}/training-data.json": b"{}"}, training(), StoreError, "is no list of training data"),
    ],
)
def test_missing_or_damaged_manifest_is_an_error(
    objects: dict[str, bytes], trained: Training, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_manifest(MemoryStore(**objects), trained)


def test_sources_are_compared_in_their_order() -> None:
    before = manifest(source(a="1", b="2"), source("d", a="1"))
    after = manifest(source(a="1", b="3", c="4"))
    first, second = compare_sources(before, after)
    assert (first.changes, first.is_equal) == ({"added": ("c",), "removed": (), "changed": ("b",)}, False)
    assert (second.before and second.before.name, second.after, second.is_equal) == ("d", None, False)
    assert all(one.is_equal for one in compare_sources(before, before))


def test_present_data_is_what_a_training_would_load() -> None:
    results = {f"{ID}/.dlaas-training": b"{}", f"{ID}/model/w": b"w"}
    store = MemoryStore(**{"train/a": b"1", "train/b": b"2", ".dlaas-versions/x.json": b"{}", **results})
    found = present_source(store.list_objects("c"), "c", "", StoreType.S3)
    assert [one.name for one in found.objects] == ["train/a", "train/b"]
    below = present_source(store.list_objects("c", "train/"), "c", "train", StoreType.S3)
    assert [one.name for one in below.objects] == ["a", "b"]
    assert (below.source.prefix, below.source.files, below.source.bytes) == ("train", 2, 2)
    with pytest.raises(NothingSelected, match="There is no data in container 'c' under 'test/'"):
        present_source((), "c", "test", StoreType.S3)


def test_version_is_stored_under_its_name_and_an_upload_does_not_delete_it() -> None:
    store = MemoryStore(a=b"1")
    made = present_source(store.list_objects("c"), "c", "", StoreType.S3)
    version = store_version(store, made)
    name = version_object_name(version)
    assert SourceManifest.model_validate_json(store.content("c", name)) == made
    assert version == present_source(store.list_objects("c"), "c", "", StoreType.S3).source.version
    assert [one.name for one in planned_deletions([], store.list_objects("c"), "")] == ["a"]


def test_version_of_a_training_is_that_of_its_source() -> None:
    read = manifest(source("c", "train", a="1"), source("c", "test", a="2"), source("d", a="3"))
    assert source_of_training(read, "d", None) == read.sources[2]
    assert source_of_training(read, "c", "test/") == read.sources[1]
    for container, message in (("c", "has several sources of container 'c'"), ("e", "has no data of container 'e'")):
        with pytest.raises(InvalidArgument, match=message):
            source_of_training(read, container, None)
