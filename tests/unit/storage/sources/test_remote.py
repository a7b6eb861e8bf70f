"""Remote files whose file system fails."""

from __future__ import annotations

from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_dlaas.exceptions import StoreUnreachable
from airflow_dlaas.storage.sources.remote import RemoteFile


class FileSystemThatConnects(MemoryFileSystem):
    """Connects when an instance is made, as the file system of SFTP does."""

    cachable = False
    is_reachable = True

    def __init__(self, *args: Any, **options: Any) -> None:
        if not self.is_reachable:
            raise ConnectionRefusedError("refused")
        super().__init__(*args, **options)


def test_failed_connection_of_the_file_system_of_a_thread_is_a_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    file = RemoteFile(FileSystemThatConnects(), "/a", "sftp://host/a", 3, (("etag", "1"),), True)
    monkeypatch.setattr(FileSystemThatConnects, "is_reachable", False)
    with pytest.raises(StoreUnreachable, match="sftp://host/a cannot be reached"):
        list(file.part(0, 3).chunks())
    with pytest.raises(StoreUnreachable, match="sftp://host/a cannot be reached"):
        file.has_changed()
