"""Hashes staged files and uploads their contents, each under a name with its MD5."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.service.checkpoints.staging import StagedFile
from airflow_dlaas.storage.body import Body
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.segments import is_large, segment_size_for
from airflow_dlaas.storage.sources.local import Source
from airflow_dlaas.storage.transfer.api import Progress, UploadOptions, delete_objects, upload
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache

UPLOAD_THREADS = 2
"""Connections of an upload during the run: the network is the command's."""

IsStopped = Callable[[], bool]
"""Whether the sending must end now. It is called for each piece of a file."""


class SendingStopped(Exception):
    """The command has ended while a checkpoint was being sent."""


@dataclass(frozen=True, slots=True)
class Digests:
    """The MD5s of a file, in hex."""

    md5: str
    """That of the whole content."""
    parts: tuple[str, ...] = ()
    """For a large file, those of the parts that it is sent in."""
    segment_size: int = 0
    """Bytes of a part; 0 for a file that is sent in one piece."""


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A staged file whose digests are known; a `airflow_dlaas.storage.sources.local.SourceFile`."""

    staged: StagedFile
    digests: Digests
    is_local: bool = True
    has_stable_fingerprint: bool = True

    @property
    def location(self) -> str:
        """Path of the staged file."""
        return self.staged.location

    @property
    def size(self) -> int:
        """Bytes."""
        return self.staged.size

    @property
    def fingerprint(self) -> str:
        """See `StagedFile`."""
        return self.staged.fingerprint

    def part(self, start: int, size: int) -> Body:
        """Return *size* bytes of the content from *start* on; the whole content is verified while it is read."""
        body = self.staged.part(start, size)
        return _VerifiedBody(body, self.digests.md5) if size == self.size else body

    def has_changed(self) -> bool:
        """Whether the command has written the file since it was found."""
        return self.staged.has_changed()


@dataclass(frozen=True, slots=True)
class _VerifiedBody:
    """Content that must have a known MD5."""

    body: Body
    md5: str

    @property
    def size(self) -> int:
        return self.body.size

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Yield the content; an error follows the last chunk if it had another MD5."""
        md5 = hashlib.md5(usedforsecurity=False)
        for chunk in self.body.chunks():
            md5.update(chunk)
            yield chunk
        if md5.hexdigest() != self.md5:
            raise Corrupted(f"{self} was written while it was being sent")

    def __str__(self) -> str:
        return str(self.body)


def hash_file(staged: StagedFile, segment_size: int, is_stopped: IsStopped) -> Digests:
    """
    Read the file once; return its digests.

    :param segment_size: from `planned_segment_size`.
    :raises StoreError: it cannot be read, or became shorter.
    """
    whole, parts = hashlib.md5(usedforsecurity=False), list[str]()
    for start in range(0, staged.size, segment_size or staged.size or 1):
        part = hashlib.md5(usedforsecurity=False)
        for chunk in staged.part(start, min(segment_size or staged.size, staged.size - start)).chunks():
            if is_stopped():
                raise SendingStopped
            whole.update(chunk)
            if segment_size:
                part.update(chunk)
        parts.append(part.hexdigest())
    return Digests(whole.hexdigest(), tuple(parts) if segment_size else (), segment_size)


def planned_segment_size(store: ObjectStore, size: int, segment_size: int) -> int:
    """Return the bytes of a part of a file of *size* bytes; 0 if it is sent in one piece."""
    return segment_size_for(size, store.limits(), segment_size) if is_large(size, segment_size) else 0


def upload_contents(
    store: ObjectStore, container: str, files: Mapping[str, HashedFile], segment_size: int, is_stopped: IsStopped
) -> None:
    """
    Store each of *files* under its name, unless the object is there.

    :raises Corrupted: a file was written meanwhile; no object has a content that its name does not state.
    :raises SendingStopped: *is_stopped* was true.
    :raises StoreError: as `upload`.
    """

    def check(_: Progress) -> None:
        if is_stopped():
            raise SendingStopped

    cache = ChecksumCache()
    for one in files.values():
        cache.set_md5s(one, 0, [one.digests.md5])
        if one.digests.parts:
            cache.set_md5s(one, one.digests.segment_size, one.digests.parts)
    sources: Sequence[Source] = [Source(name, one) for name, one in files.items()]
    if not sources:
        return
    options = UploadOptions(checksum_cache=cache, threads=UPLOAD_THREADS, segment_size=segment_size, progress=check)
    upload(store, sources, container, options)
    # The store has compared the others with the MD5; of these, the cache has the MD5s of the parts as they were sent.
    for name, one in files.items():
        if one.digests.parts and tuple(cache.get_md5s(one, one.digests.segment_size) or ()) != one.digests.parts:
            delete_objects(store, container, names=name)
            raise Corrupted(f"{one.location} was written while it was being sent")
