"""The training data of a training, and the comparison of two, as the pages receive them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dlaas.contract.data_manifest import DataManifest
from airflow_dlaas.plugin.data_objects import MAX_OBJECTS, InvalidManifest, compare_data, data_objects, parse_manifest


def a_source(name: str = "images", prefix: str | None = None, **digests: str) -> dict[str, Any]:
    objects = [{"name": key, "size": 1, "digest": digest} for key, digest in sorted(digests.items())]
    return {"source": {"name": name, "type": "s3", "prefix": prefix}, "objects": objects}


def a_manifest(*sources: dict[str, Any]) -> DataManifest:
    return DataManifest.model_validate({"training_id": "training-1", "sources": sources})


def test_manifest_of_a_newer_service_is_read_and_other_content_is_refused() -> None:
    content = a_manifest(a_source(a="md5:1")).model_dump_json().replace('{"training_id"', '{"new":1,"training_id"')
    assert parse_manifest(content.encode()) == a_manifest(a_source(a="md5:1"))
    with pytest.raises(InvalidManifest):
        parse_manifest(b"[]")


def test_long_list_is_cut_and_keeps_its_total() -> None:
    many = a_source(**{f"o{number:05}": "md5:1" for number in range(MAX_OBJECTS + 5)})
    (source,) = data_objects(a_manifest(many)).sources
    assert (source.total, len(source.objects), source.objects[0].name) == (MAX_OBJECTS + 5, MAX_OBJECTS, "o00000")


def test_same_objects_are_equal_data() -> None:
    same = a_manifest(a_source(a="md5:1"), a_source("/mount"))
    found = compare_data(same, a_manifest(a_source("/mount"), a_source(a="md5:1")))
    assert found.equal
    assert [one.name for one in found.sources] == ["images", "/mount"]


def test_differences_are_those_of_this_training_from_the_other() -> None:
    found = compare_data(a_manifest(a_source(a="md5:1", b="md5:2")), a_manifest(a_source(b="md5:0", c="md5:3")))
    (source,) = found.sources
    assert not found.equal
    assert (source.added, source.removed, source.changed) == (["a"], ["c"], ["b"])
    assert (source.added_total, source.removed_total, source.changed_total) == (1, 1, 1)


def test_source_of_only_one_training_is_a_difference_even_without_objects() -> None:
    found = compare_data(a_manifest(a_source(prefix="x")), a_manifest(a_source(prefix="y")))
    assert [(one.prefix, one.only_in, one.equal) for one in found.sources] == [
        ("x", "this", False),
        ("y", "other", False),
    ]
