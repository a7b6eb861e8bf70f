"""An object store whose objects are files of a folder, for several processes; it counts the bytes that are fetched."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow_dlaas.exceptions import Corrupted, ObjectNotFound
from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, StoredObject, StoreLimits, WriteAt
from tests.memory_store import md5

CHUNK_SIZE = 16 * 1024


class FolderStore:
    """
    Has one container, with the files of *folder*.

    :param ledger: a file to which each process appends a line with the bytes of each chunk that it fetches.
    :param pause: seconds between two chunks, so that a process can be killed between them.
    """

    def __init__(self, folder: Path, ledger: Path, pause: float = 0.0) -> None:
        self.folder = folder
        self.ledger = ledger
        self.pause = pause

    def put(self, name: str, content: bytes) -> None:
        """Replace an object in one step."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.folder.parent / f"new-{os.getpid()}"
        temporary.write_bytes(content)
        temporary.replace(path)

    def fetched_bytes(self) -> int:
        """Return the bytes that all processes have fetched."""
        return sum(map(int, self.ledger.read_text().split())) if self.ledger.exists() else 0

    def objects(self) -> dict[str, bytes]:
        """Return the contents by name."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()
        }

    def limits(self) -> StoreLimits:
        return StoreLimits()

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and (name := str(path.relative_to(self.folder))).startswith(prefix):
                yield self.stat(container, name)

    def stat(self, _container: str, name: str) -> StoredObject:
        content = self._read(name)
        return StoredObject(name, len(content), md5(content), datetime.now(timezone.utc))

    def get_layout(self, _container: str, name: str) -> ObjectLayout:
        content = self._read(name)
        return ObjectLayout(len(content), md5(content), md5(content))

    def get(self, _container: str, name: str, destination: Path, *, on_progress: BytesCallback | None = None) -> int:
        content = self._read(name)
        temporary = destination.with_name(f".{destination.name}.{os.urandom(8).hex()}.part")
        with temporary.open("wb") as file:
            self._send(Part(0, len(content)), content, lambda _, chunk: file.write(chunk), on_progress)
        temporary.replace(destination)
        return len(content)

    def read_range(self, _container: str, name: str, start: int, end: int) -> bytes:
        return self._read(name)[start:end]

    def get_part(
        self,
        _container: str,
        name: str,
        layout: ObjectLayout,
        part: Part,
        write_at: WriteAt,
        *,
        on_progress: BytesCallback | None = None,
    ) -> None:
        content = self._read(name)
        if layout.etag and md5(content) != layout.etag:
            raise Corrupted(f"{name} was replaced")
        self._send(part, content, write_at, on_progress)
        if part.md5 is not None and md5_of(content[part.start : part.start + part.size]) != part.md5:
            raise Corrupted(f"{name} arrived with another MD5")

    def _send(self, part: Part, content: bytes, write_at: Any, on_progress: BytesCallback | None) -> None:
        end = part.start + part.size
        for start in range(part.start, end, CHUNK_SIZE):
            chunk = content[start : min(start + CHUNK_SIZE, end)]
            write_at(start, chunk)
            with self.ledger.open("a") as file:
                file.write(f"{len(chunk)}\n")
            if on_progress is not None:
                on_progress(len(chunk))
            if self.pause:
                time.sleep(self.pause)

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            raise ObjectNotFound(name) from None
