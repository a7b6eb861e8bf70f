"""Paths of Airflow's `ObjectStoragePath`, before any store is asked."""

from __future__ import annotations

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_dlaas.fs.swift import HAS_EXTRA_SLASH


@pytest.mark.skipif(HAS_EXTRA_SLASH, reason="Airflow 3.1 writes such addresses itself")
@pytest.mark.parametrize(
    "address", ["swift:///data", "swift://conn@/data", "swift://conn@/data/train", "swift://@/data"]
)
def test_an_address_without_a_container_never_means_the_one_its_folder_is_called(address: str) -> None:
    """A container's name that was left empty made ``data`` the container, and ``rmdir`` deleted that."""
    with pytest.raises(OSError, match="container: '' is not the name of a container: it is empty"):
        ObjectStoragePath(address)


@pytest.mark.parametrize("address", ["swift://c", "swift://c/", "swift://conn@c/data", "swift://c/data/"])
def test_an_address_with_a_container_is_kept(address: str) -> None:
    assert ObjectStoragePath(address).path.strip("/") == address.rpartition("@")[2].removeprefix("swift://").strip("/")
