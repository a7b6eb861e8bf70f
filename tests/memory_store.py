"""An object store in memory and a remote file, for tests of transfers."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from airflow_dlaas.exceptions import ContainerNotFound, Corrupted, ObjectNotFound, StoreFull
from airflow_dlaas.storage.body import Body, BytesBody, as_body
from airflow_dlaas.storage.object_store import (
    BytesCallback,
    ObjectLayout,
    Part,
    PartsUpload,
    RunAll,
    StoredObject,
    StoreLimits,
    WriteAt,
)
from airflow_dlaas.storage.segments import slo_etag
from airflow_dlaas.storage.swift import segment_cleanup
from airflow_dlaas.storage.swift.segment_names import require_segment_names
from airflow_dlaas.storage.swift.segmented_copy import copy_object
from airflow_dlaas.storage.swift.segments_upload import SegmentsUpload

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class MemoryStore:
    """
    An object store with a container ``c`` that holds *objects*. It refuses objects whose names end with ``full``.

    It stores large objects as the Swift store does, with the same code: as segments in a second container.

    ``asked`` has the names of the objects of ``c`` that were stored or fetched; ``bytes_sent`` counts the bytes stored
    in any container.
    """

    def __init__(self, _limits: StoreLimits = StoreLimits(max_segments=1000), /, **objects: bytes) -> None:  # noqa: B008
        self._limits = _limits
        self.containers: dict[str, dict[str, bytes | list[Part]]] = {"c": dict(objects)}
        self.asked: list[str] = []
        self.bytes_sent = 0
        self.lock = threading.Lock()

    @property
    def objects(self) -> dict[str, bytes]:
        return {name: self.content("c", name) for name in self.containers["c"]}

    def segments(self) -> set[str]:
        return set(self.containers.get("c_segments", ()))

    def content(self, container: str, name: str) -> bytes:
        stored = self.containers[container][name]
        if isinstance(stored, bytes):
            return stored
        return b"".join(self.content(*part.segment) for part in stored if part.segment)

    def check(self, container: str) -> None:
        if container not in self.containers:
            raise ContainerNotFound(container)

    require_container = check

    def limits(self) -> StoreLimits:
        return self._limits

    def list_containers(self) -> Sequence[str]:
        return sorted(self.containers)

    def create_container(self, name: str) -> None:
        self.containers.setdefault(name, {})

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        self.check(container)
        for name in sorted(self.containers[container]):
            if name.startswith(prefix):
                layout = self.get_layout(container, name)
                etag = layout.etag if layout.parts else None
                yield StoredObject(name, layout.size, layout.md5, NOW, slo_etag=etag)

    def stat(self, container: str, name: str) -> StoredObject:
        self.get_layout(container, name)
        return next(one for one in self.list_objects(container, name) if one.name == name)

    def list_dir(self, container: str, folder: str = "", *, limit: int = 0) -> Iterator[StoredObject | str]:
        self.check(container)
        if limit != 1 or folder:
            raise NotImplementedError
        return iter(())

    def put(
        self,
        container: str,
        name: str,
        source: Path | bytes | Body,
        *,
        md5: str | None = None,
        content_type: str | None = None,  # noqa: ARG002
        on_progress: BytesCallback | None = None,
    ) -> str:
        return self._store(container, name, as_body(source), md5, on_progress)

    def put_segment(self, container: str, name: str, body: Body, *, on_progress: BytesCallback | None = None) -> str:
        return self._store(container, name, body, None, on_progress)

    def _store(
        self, container: str, name: str, body: Body, expected_md5: str | None, on_progress: BytesCallback | None
    ) -> str:
        self.check(container)
        with self.lock:
            if container == "c":
                self.asked.append(name)
        if name.endswith("full"):
            raise StoreFull(name)
        data = b""
        for chunk in body.chunks():
            data += chunk
            if on_progress:
                on_progress(len(chunk))
        if expected_md5 not in {None, md5(data)}:
            raise Corrupted(name)
        with self.lock:
            self.bytes_sent += len(data)
            self.containers[container][name] = data
        return md5(data)

    def complete_multipart(
        self,
        container: str,
        name: str,
        parts: Sequence[Part],
        *,
        content_type: str | None = None,  # noqa: ARG002
    ) -> None:
        for part in parts:
            segment_container, segment = part.segment or ("", "")
            stored = self.containers.get(segment_container, {}).get(segment)
            if not isinstance(stored, bytes) or md5(stored) != part.md5 or len(stored) != part.size:
                raise Corrupted(f"{segment} is gone")
        self.asked.append(name)
        self.containers[container][name] = list(parts)

    def get_layout(self, container: str, name: str) -> ObjectLayout:
        self.check(container)
        stored = self.containers[container].get(name)
        if stored is None:
            raise ObjectNotFound(name)
        if isinstance(stored, bytes):
            return ObjectLayout(len(stored), md5(stored), md5(stored))
        etag = slo_etag(part.md5 or "" for part in stored)
        return ObjectLayout(sum(part.size for part in stored), etag, None, tuple(stored))

    def get(self, container: str, name: str, destination: Path, *, on_progress: BytesCallback | None = None) -> int:
        self.asked.append(name)
        self.get_layout(container, name)
        data = self.content(container, name)
        destination.write_bytes(data)
        if on_progress:
            on_progress(len(data))
        return len(data)

    def get_part(
        self,
        container: str,
        name: str,
        layout: ObjectLayout,
        part: Part,
        write_at: WriteAt,
        *,
        on_progress: BytesCallback | None = None,
    ) -> None:
        layout_now = self.get_layout(container, name)
        assert layout.etag in {"", layout_now.etag}
        if part.md5 is not None and md5(self.content(container, name)[part.start : part.start + part.size]) != part.md5:
            raise Corrupted(f"{name} arrived with another MD5")
        self.asked.append(f"{name}@{part.start}")
        write_at(part.start, self.content(container, name)[part.start : part.start + part.size])
        if on_progress:
            on_progress(part.size)

    def read_range(self, container: str, name: str, start: int, end: int) -> bytes:
        self.get_layout(container, name)
        return self.content(container, name)[start:end]

    def require_multipart_name(self, container: str, name: str, *, size: int, part_size: int) -> None:
        require_segment_names(container, name, size, part_size)

    def begin_multipart(
        self, container: str, name: str, *, size: int | None, part_size: int, is_new: bool = False
    ) -> PartsUpload:
        upload = SegmentsUpload(self, container, name, size=size, part_size=part_size, is_new=is_new)  # type: ignore[arg-type]
        upload.begin()
        return upload

    def replacing(
        self, container: str, name: str, stored: StoredObject | None = None
    ) -> AbstractContextManager[object]:
        return segment_cleanup.replacing(self, container, name, stored)  # type: ignore[arg-type]

    def copy(self, container: str, name: str, to_container: str, to_name: str, *, run: RunAll | None = None) -> bool:
        return copy_object(self, (container, name), (to_container, to_name), run)  # type: ignore[arg-type]

    def copy_whole(self, container: str, name: str, to_container: str, to_name: str) -> None:
        self.check(to_container)
        self.containers[to_container][to_name] = self.content(container, name)

    def delete(self, container: str, names: Iterable[str]) -> None:
        for name in names:
            self.containers[container].pop(name, None)

    def delete_stored(self, container: str, objects: Sequence[StoredObject]) -> None:
        segment_cleanup.delete_stored(self, container, objects)  # type: ignore[arg-type]

    def delete_abandoned(self, container: str, prefix: str, is_abandoned: Callable[[str], bool]) -> None:
        segment_cleanup.delete_abandoned(self, container, prefix, is_abandoned)  # type: ignore[arg-type]


@dataclass(frozen=True)
class RemoteTestFile:
    """A remote file with the content *data*."""

    data: bytes
    location: str = "far://file"
    fingerprint: str = ""
    has_stable_fingerprint: bool = True
    is_local: bool = False

    @property
    def size(self) -> int:
        return len(self.data)

    def part(self, start: int, size: int) -> Body:
        return BytesBody(self.data[start : start + size])

    def has_changed(self) -> bool:
        return False
