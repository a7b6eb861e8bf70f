"""An object store in memory, for tests of what is done with one; and a file that is not on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from airflow_dlaas.exceptions import ContainerNotFound, Corrupted, ObjectNotFound, StoreFull
from airflow_dlaas.storage.body import Body, BytesBody, as_body
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, StoredObject, StoreLimits, WriteAt
from airflow_dlaas.storage.segments import slo_etag

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class MemoryStore:
    """
    A container ``c`` with *objects*. Refuses to store objects whose names end in ``full``.

    ``asked`` names the objects of the container that were put or fetched, ``sent`` counts bytes put anywhere.
    """

    def __init__(self, _limits: StoreLimits = StoreLimits(max_segments=1000), /, **objects: bytes) -> None:  # noqa: B008
        self._limits = _limits
        self.all: dict[str, dict[str, bytes | list[Part]]] = {"c": dict(objects)}
        self.asked: list[str] = []
        self.sent = 0
        self.lock = threading.Lock()

    @property
    def objects(self) -> dict[str, bytes]:
        return {name: self.content("c", name) for name in self.all["c"]}

    def segments(self) -> set[str]:
        return set(self.all.get("c_segments", ()))

    def content(self, container: str, name: str) -> bytes:
        kept = self.all[container][name]
        if isinstance(kept, bytes):
            return kept
        return b"".join(self.content(*part.segment) for part in kept if part.segment)

    def check(self, container: str) -> None:
        if container not in self.all:
            raise ContainerNotFound(container)

    def limits(self) -> StoreLimits:
        return self._limits

    def list_containers(self) -> Sequence[str]:
        return sorted(self.all)

    def create_container(self, name: str) -> None:
        self.all.setdefault(name, {})

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        self.check(container)
        for name in sorted(self.all[container]):
            if name.startswith(prefix):
                shape = self.get_layout(container, name)
                joint = shape.etag if shape.parts else None
                yield StoredObject(name, shape.size, shape.md5, NOW, slo_etag=joint)

    def list_dir(self, container: str, folder: str) -> Iterator[StoredObject | str]:
        raise NotImplementedError

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
        return self._keep(container, name, as_body(source), md5, on_progress)

    def put_segment(self, container: str, name: str, body: Body, *, on_progress: BytesCallback | None = None) -> str:
        return self._keep(container, name, body, None, on_progress)

    def _keep(
        self, container: str, name: str, body: Body, announced: str | None, on_progress: BytesCallback | None
    ) -> str:
        self.check(container)
        with self.lock:
            if container == "c":
                self.asked.append(name)
        if name.endswith("full"):
            raise StoreFull(name)
        data = b""
        for piece in body.chunks():
            data += piece
            if on_progress:
                on_progress(len(piece))
        if announced not in {None, md5(data)}:
            raise Corrupted(name)
        with self.lock:
            self.sent += len(data)
            self.all[container][name] = data
        return md5(data)

    def complete_multipart(
        self, container: str, name: str, parts: Sequence[Part], *, content_type: str | None = None
    ) -> None:
        for part in parts:
            where, segment = part.segment or ("", "")
            kept = self.all.get(where, {}).get(segment)
            if not isinstance(kept, bytes) or md5(kept) != part.md5 or len(kept) != part.size:
                raise Corrupted(f"{segment} is gone")
        self.asked.append(name)
        self.all[container][name] = list(parts)

    def get_layout(self, container: str, name: str) -> ObjectLayout:
        self.check(container)
        kept = self.all[container].get(name)
        if kept is None:
            raise ObjectNotFound(name)
        if isinstance(kept, bytes):
            return ObjectLayout(len(kept), md5(kept), md5(kept))
        return ObjectLayout(sum(one.size for one in kept), slo_etag(one.md5 or "" for one in kept), None, tuple(kept))

    def get(self, container: str, name: str, destination: Path, *, on_progress: BytesCallback | None = None) -> int:
        self.asked.append(name)
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
        assert self.get_layout(container, name) == layout
        self.asked.append(f"{name}@{part.start}")
        write_at(part.start, self.content(container, name)[part.start : part.start + part.size])
        if on_progress:
            on_progress(part.size)

    def read_range(self, container: str, name: str, start: int, end: int) -> bytes:
        return self.content(container, name)[start:end]

    def delete(self, container: str, names: Iterable[str]) -> None:
        for name in names:
            self.all[container].pop(name, None)


@dataclass(frozen=True)
class FarFile:
    """A file elsewhere, whose content is *data*."""

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
