"""The interface of an object store, and the guarantees of every implementation. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from airflow_dlaas.storage.body import Body

BytesCallback = Callable[[int], None]
"""Receives the number of bytes just sent or received; a negative number takes back those of a failed attempt."""

WriteAt = Callable[[int, bytes], None]
"""Receives an offset in the object, and the bytes that begin there."""

RunAll = Callable[[Iterable[Callable[[], object]]], None]
"""Calls all functions, several at the same time, and returns when all have ended; raises the first error of them."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object, as a listing has it."""

    name: str
    size: int
    """Bytes."""
    md5: str | None
    """The MD5 of the content, in lower-case hex; None if the store does not know it (an object of segments)."""
    modified: datetime
    is_folder_marker: bool = False
    """Whether the object only marks a folder: some tools store an empty object for each folder."""
    slo_etag: str | None = None
    """For an object of segments: the MD5 of their MD5s, if the listing has it; see `segments.slo_etag`."""
    multipart_etag: str | None = None
    """For an object of a multipart upload (S3): the ETag that the store made of the MD5s of its parts."""
    etag: str | None = None
    """What identifies the content of an object without any of the others, if the store has something."""

    @property
    def digest(self) -> str | None:
        """What identifies the content: ``md5:`` and hex, or ``etag:`` and an ETag; None if the listing has nothing."""
        if self.md5 is not None:
            return f"md5:{self.md5}"
        etag = self.slo_etag or self.multipart_etag or self.etag
        return None if etag is None else f"etag:{etag}"


@dataclass(frozen=True, slots=True)
class Part:
    """A range of an object's content."""

    start: int
    size: int
    md5: str | None = None
    segment: tuple[str, str] | None = None
    """Container and name of the segment that has these bytes, if there is one."""


@dataclass(frozen=True, slots=True)
class ObjectLayout:
    """The size, the ETag and the parts of one object."""

    size: int
    etag: str
    """Identifies this content, for `ObjectStore.get_part`; empty: the MD5 of the part is the only condition."""
    md5: str | None
    """The MD5 of the whole content; None for an object that consists of parts."""
    parts: tuple[Part, ...] = ()
    """
    The segments, or the parts of a multipart upload; empty if the object is in one piece, or if the store does not list
    them. If the store has no MD5 of each part, *etag* is that of `segments.multipart_etag`.
    """


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """The limits that a store publishes."""

    max_object_size: int = 5 * 1024**3
    """Bytes of an object in one piece, and of a part. The default is Swift's own."""
    max_segments: int = 0
    """Parts of one object; 0 if the store does not publish that it supports objects of parts."""
    min_part_size: int = 1
    """Bytes of a part at least, except for the last one."""
    max_large_object_size: int | None = None
    """Bytes of an object of parts; None if only the number and the size of its parts limit it."""
    max_deletes: int = 0
    """Objects that one request can delete; 0 if each needs a request."""
    page_size: int = 0
    """Objects on a full page of a listing; 0 if it is unknown, so that only an empty page marks the end."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of an upload that was interrupted, as the store has it."""

    size: int
    md5: str


class PartsUpload(Protocol):
    """
    One large object that is stored in parts, and appears in one step when it is complete.

    Thread-safe: parts may be sent at the same time, in any order. Part *number* begins with 0. Without `complete` and
    `discard` the parts stay, and the next upload of the same sizes can use them.

    If two uploads of one name run at the same time, the object of one of them remains. The other fails with an error,
    unless it was complete earlier; its next attempt succeeds.
    """

    def stored_parts(self, number: int) -> Sequence[StoredPart]:
        """Return what an interrupted upload of the same sizes has left for part *number*; sends no request."""

    def reuse_part(self, number: int, part: StoredPart) -> None:
        """Use *part*, one of `stored_parts`, whose MD5 is that of the content, instead of sending it."""

    def put_part(self, number: int, body: Body, *, on_progress: BytesCallback | None = None) -> str:
        """
        Send *body* as part *number*; return its MD5, which is computed while it is sent: *body* is read once.

        :raises Corrupted: the MD5 of the store differed at every attempt.
        """

    def complete(self, *, content_type: str | None = None) -> None:
        """
        Make the object of the parts 0 to N - 1; it replaces an object of that name in one step.

        The store checks the MD5 of each part first. What only the replaced object consisted of is deleted afterwards,
        and so are parts of interrupted uploads of the same name.

        :raises Corrupted: a part is gone, or was replaced.
        """

    def discard(self) -> None:
        """
        Delete the parts that were sent.

        :raises StoreError: they could not be deleted; the next upload to this name deletes them.
        """


class ObjectStore(Protocol):
    """
    The operations of a store.

    - Thread-safe: any number of threads may use one store at the same time.
    - Every method but `check` retries after transient errors, within limits; a transient error that it raises was
      retried before.
    - Names are checked before any request is sent (`airflow_dlaas.contract.store_names`). `InvalidName` is raised for
      what cannot be the name of a container or an object, and for a new object whose name no download could write as a
      file.
    - Errors are those of `airflow_dlaas.exceptions`: `StoreError` and its subclasses; `HostError` if a file cannot be
      written on this machine. None of them contains a secret.
    """

    def check(self, container: str) -> None:
        """
        Check that *container* can be reached, without retries.

        :raises StoreRefused: the credentials are wrong, or have no access to the container.
        :raises ContainerNotFound: there is no such container.
        :raises StoreUnreachable: there is no response, or one that asks for a later request.
        """

    def limits(self) -> StoreLimits:
        """Return the limits of the store; the first call sends the request, later calls return its result."""

    def list_containers(self) -> Sequence[str]:
        """Return the names of all containers."""

    def create_container(self, name: str) -> None:
        """Create the container, if it does not exist."""

    def delete_container(self, name: str) -> None:
        """
        Delete an empty container.

        :raises StoreError: the container has an object.
        """

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        """
        Yield all objects whose names begin with *prefix*, in the store's order. Pages are requested when needed.

        Objects that are stored or deleted during the listing may or may not appear.
        """

    def list_dir(self, container: str, folder: str = "", *, limit: int = 0) -> Iterator[StoredObject | str]:
        """
        Yield the entries directly below *folder*, which is empty or ends with a slash.

        :param limit: the largest number of entries, from one request; 0 for all.
        :return: objects, and the full name of each subfolder, which ends with a slash.
        """

    def stat(self, container: str, name: str) -> StoredObject:
        """
        Return one object as it is now; a listing may show an older state.

        :raises ObjectNotFound: there is no object of that name.
        """

    def put(
        self,
        container: str,
        name: str,
        source: Path | bytes | Body,
        *,
        md5: str | None = None,
        content_type: str | None = None,
        on_progress: BytesCallback | None = None,
    ) -> str:
        """
        Store *source* as the whole content of *name*, which replaces an object of that name; return its MD5.

        All or nothing: the store compares the MD5 itself. It does not keep content that was damaged on the way, or that
        was written while it was sent; the object of before stays.

        :param md5: the MD5 of *source*, if it is known: the source is then read once, not twice.
        :raises Corrupted: the MD5 differed at every attempt.
        """

    def require_multipart_name(self, container: str, name: str, *, size: int, part_size: int) -> None:
        """
        Check that `begin_multipart` with these arguments can be called; sends no request.

        :raises InvalidName: what the store makes of the names for the parts would be too long.
        """

    def begin_multipart(
        self, container: str, name: str, *, size: int | None, part_size: int, is_new: bool = False
    ) -> PartsUpload:
        """
        Begin the upload of an object in parts, or resume one of the same sizes that was interrupted.

        :param size: bytes of the object; None if they are not known yet: then there is nothing to resume, and the parts
            may have other sizes.
        :param part_size: bytes of each part but the last one, between the limits of the store.
        :param is_new: there is no object of this name, so that no request looks for one that is replaced.
        :raises ContainerNotFound: there is no such container. If *size* is known, `PartsUpload` may raise it, too.
        """

    def replacing(
        self, container: str, name: str, stored: StoredObject | None = None
    ) -> AbstractContextManager[object]:
        """
        Delete, after the block has replaced the object *name* by `put`, what only the replaced object consisted of.

        Nothing is deleted if the block fails. A store whose objects own nothing else sends no request.

        :param stored: the object *name* as a listing has it, which may show that no request is needed.
        """

    def get_layout(self, container: str, name: str) -> ObjectLayout:
        """
        Return the size, the ETag and the parts of an object.

        :raises ObjectNotFound: there is no object of that name.
        """

    def get(self, container: str, name: str, destination: Path, *, on_progress: BytesCallback | None = None) -> int:
        """
        Download *name* to the file *destination*, whose folder exists; return the number of bytes.

        The file appears complete and verified, or not at all. It replaces an existing file in one step.
        """

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
        """
        Download *part* of the content that *layout* describes. A retry resumes where the attempt before ended.

        If *layout* has an empty ETag, only the MD5 of *part* identifies the content.

        :raises Corrupted: what was received had another MD5 at every attempt.
        :raises StoreError: the object was replaced after its layout was read.
        """

    def read_range(self, container: str, name: str, start: int, end: int) -> bytes:
        """
        Return the bytes of an object from *start* up to *end*, or those of them that exist; all are in memory.

        Only their number is checked: a range has no checksum.
        """

    def copy(self, container: str, name: str, to_container: str, to_name: str, *, run: RunAll | None = None) -> bool:
        """
        Copy an object to *to_name* in *to_container*, inside the store; it replaces an object of that name in one step.

        The copy owns all that it consists of: either may be deleted without the other.

        :param run: runs the requests of a large object at the same time; None runs one after the other.
        :return: False if the store cannot copy this object before the read timeout ends; then nothing was changed.
        :raises StoreError: the object was replaced during the copy.
        """

    def delete(self, container: str, names: Iterable[str]) -> None:
        """Delete objects; a missing object is no error. What an object of segments consists of stays."""

    def delete_stored(self, container: str, objects: Sequence[StoredObject]) -> None:
        """
        Delete *objects*, as a listing has them, with what only they consist of; a missing object is no error.

        The segments of an object stay if a component of its name is ``.`` or ``..``: no request can ask for its layout.
        """

    def delete_abandoned(self, container: str, prefix: str, is_abandoned: Callable[[str], bool]) -> None:
        """
        Delete the parts of uploads that were never completed.

        :param prefix: the names of their objects begin with it.
        :param is_abandoned: whether there is neither an object of this name nor an upload of it now.
        """
