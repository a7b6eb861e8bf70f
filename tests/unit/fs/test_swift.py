"""Paths of `ObjectStoragePath`, without any request to a store."""

from __future__ import annotations

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_dlaas.fs.store_file_system import HAS_EXTRA_SLASH


@pytest.mark.skipif(HAS_EXTRA_SLASH, reason="Airflow 3.1 writes such URIs itself")
@pytest.mark.parametrize("uri", ["swift:///data", "swift://conn@/data", "swift://conn@/data/train", "swift://@/data"])
def test_uri_without_a_container_is_refused(uri: str) -> None:
    """Without this error, ``data`` would count as the container, and ``rmdir`` would delete it."""
    with pytest.raises(OSError, match="container: '' is not the name of a container: it is empty"):
        ObjectStoragePath(uri)


@pytest.mark.parametrize("uri", ["swift://c", "swift://c/", "swift://conn@c/data", "swift://c/data/"])
def test_uri_with_a_container_keeps_its_path(uri: str) -> None:
    assert ObjectStoragePath(uri).path.strip("/") == uri.rpartition("@")[2].removeprefix("swift://").strip("/")
