"""A file that is larger than any store takes in one piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.storage.open_object_store import OpenedStore
from airflow_dlaas.storage.transfer.api import delete_objects, plan_upload, upload
from tests.object_stores.cases import MIB, StoreCase

SIZE = 5 * 1024 * MIB + 7 * MIB
"""More than 5 GiB, the most that a Swift or an S3 takes in one piece."""


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_file_of_more_than_5_gib_is_one_object(
    case: StoreCase, store: OpenedStore, container: str, tmp_path: Path
) -> None:
    case.require("huge objects")
    path = tmp_path / "huge"
    with path.open("wb") as file:  # sparse: it takes no disk here, and 5 GiB in the store
        file.truncate(SIZE)
        file.seek(SIZE - 3)
        file.write(b"end")
    upload(store, {"huge": path}, container)
    try:
        (listed,) = store.list_objects(container)
        assert (listed.name, listed.size) == ("huge", SIZE)
        assert store.read_range(container, "huge", SIZE - 5, SIZE) == b"\0\0end"
        assert plan_upload(store, {"huge": path}, container).unchanged == 1
    finally:
        delete_objects(store, container)
    assert not list(store.list_objects(container))
