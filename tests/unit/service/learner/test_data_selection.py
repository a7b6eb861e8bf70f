from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from airflow_dlaas.contract.data_manifest import ManifestObject, SourceManifest, version_of
from airflow_dlaas.contract.data_report import DataSourceReport
from airflow_dlaas.contract.stores import DataContainerRef, StoreType
from airflow_dlaas.service.learner.data_selection import (
    VersionNotHeld,
    data_version,
    require_version,
    select_data,
    select_version,
)
from airflow_dlaas.storage.object_store import StoredObject
from tests.memory_store import NOW

RESULTS = "training-abcdefghi"


def a_source(**keys: Any) -> DataContainerRef:
    return DataContainerRef(container="c", type=StoreType.SOFTLAYER, **keys)


def a_listing(*names: str, md5: str | None = "0" * 32) -> list[StoredObject]:
    return [StoredObject(name, len(name), md5, NOW, is_folder_marker=name.endswith("/")) for name in names]


def selected(names: Iterable[str], **keys: Any) -> list[str]:
    """The files of the data, by name below the folder of the source."""
    return [one.name for one in select_data(a_listing(*names), a_source(**keys)).files]


def a_manifest(*names: str, prefix: str | None = None) -> SourceManifest:
    start = len(prefix) + 1 if prefix else 0
    objects = tuple(ManifestObject(name=name[start:], size=len(name), digest=f"md5:{'0' * 32}") for name in names)
    return SourceManifest(source=DataSourceReport(name="c", type=StoreType.SOFTLAYER, prefix=prefix), objects=objects)


def test_whole_container_is_data_without_folder_markers() -> None:
    assert selected(["b", "a/", "a/c"]) == ["a/c", "b"]


@pytest.mark.parametrize("prefix", ["a", "a/"])
def test_prefix_is_a_folder_and_no_part_of_a_name(prefix: str) -> None:
    assert selected(["a/b", "ab/c", "a"], prefix=prefix) == ["b"]


def test_patterns_are_compared_with_paths_below_the_prefix() -> None:
    names = ["a/x.csv", "a/y.txt", "a/old/x.csv"]
    assert selected(names, prefix="a", include=["*.csv"], exclude=["old"]) == ["x.csv"]


def test_results_are_no_data_unless_the_prefix_is_in_them() -> None:
    own = [f"{RESULTS}/.dlaas-training", f"{RESULTS}/model/w", f"{RESULTS}/.dlaas-checkpoints/1/2"]
    assert selected(["a", *own]) == ["a"]
    assert select_data(a_listing("a", *own), a_source()).left_out_results == {RESULTS: 3}
    assert selected(own, prefix=RESULTS) == ["model/w"]
    assert selected([f"{RESULTS}/model/w"], prefix=f"{RESULTS}/model") == ["w"]


def test_results_in_a_folder_below_the_prefix_are_no_data() -> None:
    assert selected(["runs/a", "runs/one/.dlaas-training", "runs/one/w"], prefix="runs") == ["a"]


def test_manifests_of_versions_are_never_data() -> None:
    assert selected(["a", ".dlaas-versions/1.json"]) == ["a"]
    assert selected([".dlaas-versions/1.json"], prefix=".dlaas-versions") == []


def test_checkpoints_are_never_data() -> None:
    name = f"{RESULTS}/.dlaas-checkpoints/1/2.json"
    assert selected([name], prefix=f"{RESULTS}/.dlaas-checkpoints") == []


def test_data_has_a_version_unless_the_store_has_no_digest() -> None:
    files = select_data(a_listing("a"), a_source()).files
    assert data_version(files) == version_of(files)
    assert data_version(select_data(a_listing("a", md5=None), a_source()).files) is None


def test_version_is_exactly_its_objects() -> None:
    manifest = a_manifest("d/a", "d/b", prefix="d")
    selection = select_version(a_listing("d/a", "d/b", "d/later"), manifest, a_source())
    assert [one.name for one in selection.objects] == ["d/a", "d/b"]
    assert selection.folder == "d/"
    part = select_version(a_listing("d/a"), manifest, a_source(exclude=["b"]))
    assert [one.name for one in part.objects] == ["d/a"]


def test_error_names_up_to_five_objects_that_a_version_has_lost() -> None:
    manifest = a_manifest(*(f"o{number}" for number in range(8)))
    version = version_of(manifest.objects)
    changed = a_listing("o0", md5="1" * 32)
    with pytest.raises(VersionNotHeld) as caught:
        select_version(changed, manifest, a_source(version=version))
    assert f"version {version} any more: 'o1' is missing, 'o2' is missing" in str(caught.value)
    assert "'o5' is missing and 3 more. Store" in str(caught.value)
    assert "o6" not in str(caught.value)


def test_manifest_of_another_version_or_prefix_is_refused() -> None:
    manifest = a_manifest("d/a", prefix="d")
    version = version_of(manifest.objects)
    require_version(manifest, a_source(version=version, prefix="d/"))
    with pytest.raises(VersionNotHeld, match="is one of prefix 'd', and the source has prefix 'e'"):
        require_version(manifest, a_source(version=version, prefix="e"))
    with pytest.raises(VersionNotHeld, match="is damaged"):
        require_version(manifest, a_source(version=f"sha256:{0:064}"))
