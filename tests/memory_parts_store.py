"""An object store in memory that stores large objects as S3 does, for tests of transfers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.body import Body
from airflow_dlaas.storage.object_store import (
    BytesCallback,
    ObjectLayout,
    Part,
    PartsUpload,
    RunAll,
    StoredObject,
    StoredPart,
)
from airflow_dlaas.storage.segments import multipart_etag
from airflow_dlaas.storage.whole_objects import WholeObjects
from tests.memory_store import NOW, MemoryStore, md5


class MemoryPartsStore(WholeObjects, MemoryStore):
    """
    A store whose large objects own nothing else. It has the ETags of their parts together, and not the MD5 of each.

    ``layouts_read`` counts the calls of `get_layout`. `copy` copies nothing.
    """

    def __init__(self, *args: object, **objects: bytes) -> None:
        super().__init__(*args, **objects)  # type: ignore[arg-type]
        self.uploads: dict[str, dict[int, bytes]] = defaultdict(dict)
        """The parts of uploads that are not complete, by the name of the object."""
        self.layouts_read = 0
        self.delete_calls = 0

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        self.check(container)
        for name in sorted(self.containers[container]):
            if name.startswith(prefix):
                layout = super().get_layout(container, name)
                etag = self._etag(container, name) if layout.parts else None
                yield StoredObject(name, layout.size, layout.md5, NOW, multipart_etag=etag)

    def _etag(self, container: str, name: str) -> str:
        return multipart_etag(part.md5 or "" for part in super().get_layout(container, name).parts)

    def get_layout(self, container: str, name: str) -> ObjectLayout:
        self.layouts_read += 1
        layout = super().get_layout(container, name)
        if not layout.parts:
            return layout
        return ObjectLayout(
            layout.size,
            f'"{self._etag(container, name)}"',
            None,
            tuple(Part(part.start, part.size) for part in layout.parts),
        )

    def begin_multipart(
        self,
        container: str,
        name: str,
        *,
        size: int | None,
        part_size: int,
        is_new: bool = False,  # noqa: ARG002
    ) -> PartsUpload:
        self.check(container)
        return MemoryPartsUpload(self, container, name, is_stream=size is None, part_size=part_size)

    def store_parts(self, name: str, parts: Sequence[bytes]) -> None:
        """Store an object of parts, as another program does."""
        upload = self.begin_multipart("c", name, size=None, part_size=0)
        for number, content in enumerate(parts):
            self.uploads[name][number] = content
            assert upload.stored_parts(number) == []
        upload.complete()

    def copy(self, *_: str, run: RunAll | None = None) -> bool:  # noqa: ARG002
        return False

    def delete(self, container: str, names: Iterable[str]) -> None:
        self.delete_calls += 1
        MemoryStore.delete(self, container, names)

    def delete_abandoned(self, container: str, prefix: str, is_abandoned: Callable[[str], bool]) -> None:  # noqa: ARG002
        for name in [one for one in self.uploads if one.startswith(prefix) and is_abandoned(one)]:
            del self.uploads[name]


class MemoryPartsUpload:
    """A `PartsUpload` of this store."""

    def __init__(self, store: MemoryPartsStore, container: str, name: str, *, is_stream: bool, part_size: int) -> None:
        self._store, self._container, self._name = store, container, name
        self._is_stream = is_stream
        self.part_size = part_size

    def stored_parts(self, number: int) -> Sequence[StoredPart]:
        content = None if self._is_stream else self._store.uploads[self._name].get(number)
        return [] if content is None else [StoredPart(len(content), md5(content))]

    def reuse_part(self, number: int, part: StoredPart) -> None:
        assert part in self.stored_parts(number)

    def put_part(self, number: int, body: Body, *, on_progress: BytesCallback | None = None) -> str:
        content = b"".join(map(bytes, body.chunks()))
        self._store.bytes_sent += len(content)
        if on_progress:
            on_progress(len(content))
        with self._store.lock:
            self._store.uploads[self._name][number] = content
        return md5(content)

    def complete(self, *, content_type: str | None = None) -> None:  # noqa: ARG002
        sent = self._store.uploads.pop(self._name, {})
        if sorted(sent) != list(range(len(sent))):
            raise Corrupted(self._name)
        parts, start = [], 0
        hidden = self._store.containers.setdefault("c_parts", {})
        for number, content in sorted(sent.items()):
            place = f"{self._name}/{len(hidden)}"
            hidden[place] = content
            parts.append(Part(start, len(content), md5(content), ("c_parts", place)))
            start += len(content)
            assert number < len(sent)
        self._store.containers[self._container][self._name] = parts

    def discard(self) -> None:
        self._store.uploads.pop(self._name, None)
