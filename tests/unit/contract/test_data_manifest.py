"""Manifests of training data: equal data has the same version, and two manifests are compared by name and content."""

from __future__ import annotations

from airflow_dlaas.contract.data_manifest import (
    ManifestObject,
    SourceManifest,
    differences,
    is_version_object,
    version_object_name,
    version_of,
)
from airflow_dlaas.contract.data_report import DataSourceReport
from airflow_dlaas.contract.stores import StoreType


def an_object(name: str, digest: str = "md5:1", size: int = 1) -> ManifestObject:
    return ManifestObject(name=name, size=size, digest=digest)


def manifest(*objects: ManifestObject) -> SourceManifest:
    return SourceManifest(source=DataSourceReport(name="c", type=StoreType.S3), objects=objects)


def test_version_depends_on_names_sizes_and_digests_only() -> None:
    first = version_of([an_object("a"), an_object("b")])
    assert first == version_of([an_object("b"), an_object("a")])
    others = [
        version_of(objects)
        for objects in (
            [],
            [an_object("a")],
            [an_object("a"), an_object("c")],
            [an_object("a"), an_object("b", "md5:2")],
            [an_object("a"), an_object("b", size=2)],
            [an_object('a", 1, "md5:1"]\n["b')],
        )
    ]
    assert len({first, *others}) == 1 + len(others)


def test_version_is_stable_between_releases() -> None:
    """Containers have manifests under their versions, and definitions name them."""
    assert version_of([]) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    version = version_of([an_object("ä/b", "md5:0cc175b9c0f1b6a831c399e269772661")])
    assert version == "sha256:4689f382cec60309e00a629699b3936c5ca77b5fa97cd384e006533a1195afb9"


def test_object_of_a_version_is_found_by_its_name() -> None:
    name = version_object_name(version_of([]))
    assert name == ".dlaas-versions/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.json"
    assert is_version_object(name)
    assert not is_version_object("data/.dlaas-versions/x.json")


def test_differences_are_listed_by_name() -> None:
    before = manifest(an_object("a"), an_object("b"), an_object("c"))
    after = manifest(an_object("d"), an_object("b", "md5:2"), an_object("a"))
    assert differences(before, after) == {"added": ("d",), "removed": ("c",), "changed": ("b",)}
    assert differences(before, before) == {"added": (), "removed": (), "changed": ()}
