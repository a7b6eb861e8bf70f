from __future__ import annotations

from airflow_dlaas.contract.stores import DataContainerRef, MountRef, StoreType
from airflow_dlaas.service.learner.data_folders import source_folders


def a_container(name: str, prefix: str | None = None) -> DataContainerRef:
    return DataContainerRef(container=name, type=StoreType.S3, prefix=prefix)


def a_mount(path: str) -> MountRef:
    return MountRef(type=StoreType.MOUNT, path=path)


def test_single_source_is_the_folder_of_data_itself() -> None:
    assert source_folders([a_container("a", "x/y")]) == ["."]
    assert source_folders([a_mount("/mnt/x")]) == ["."]


def test_containers_have_their_names_and_numbers() -> None:
    assert source_folders([a_container("a"), a_container("b"), a_container("a")]) == ["a", "b", "a-2"]


def test_prefixes_and_mounts_are_part_of_the_names() -> None:
    sources = [a_container("a", "x/y/"), a_container("a", "z"), a_container("a"), a_mount("/mnt/x/"), a_mount("/o/x")]
    assert source_folders(sources) == ["a-x-y", "a-z", "a", "x", "x-2"]


def test_names_fit_into_a_path() -> None:
    sources = [a_container("ä" * 128, "p/" * 400), a_container("ä" * 128, "p/" * 400)]
    assert all(len(one.encode()) <= 255 for one in source_folders(sources))
    assert len(set(source_folders(sources))) == 2
