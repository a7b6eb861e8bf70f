"""What every object store promises, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from airflow_dlaas.storage.body import Body

BytesCallback = Callable[[int], None]
"""Told how many bytes just went through; a negative number takes back those of an attempt that failed."""

WriteAt = Callable[[int, bytes], None]
"""Given bytes and the offset in the object where they belong."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing has it."""

    name: str
    size: int
    """Bytes."""
    md5: str | None
    """Of the content, in lower-case hex; None where the store does not know it (an object made of segments)."""
    modified: datetime
    is_folder_marker: bool = False
    """Whether it only marks a folder: some tools store an empty object for each."""
    slo_etag: str | None = None
    """Of an object made of segments: the MD5 of their MD5s, where the listing tells. See `segments.joint_md5`."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of an object's content."""

    start: int
    size: int
    md5: str | None = None
    segment: tuple[str, str] | None = None
    """Container and name of the segment that holds it, where one does."""


@dataclass(frozen=True, slots=True)
class ObjectLayout:
    """An object as a look at it alone tells."""

    size: int
    etag: str
    """Names this very content; for `ObjectStore.get_part`."""
    md5: str | None
    """Of the whole content; None for an object made of segments."""
    parts: tuple[Part, ...] = ()
    """The segments it is made of; empty where it is in one piece, or where the store does not tell."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """What a store says it takes."""

    max_object_size: int = 5 * 1024**3
    """Bytes of an object in one piece; Swift's default."""
    max_segments: int = 0
    """Segments of one object at the most; 0 where the store does not say that it joins segments."""
    max_deletes: int = 0
    """Objects deleted by one request; 0 where each needs its own."""
    page_size: int = 0
    """Objects on a full page of a listing; 0 where only an empty page tells the end."""


class ObjectStore(Protocol):
    """
    The verbs.

    - Thread-safe: any number of threads may use one store at once.
    - Every verb but `check` sits transient trouble out, within bounds; a transient error that leaves has been retried.
    - Names are checked before any request is sent (`airflow_dlaas.contract.store_names`): `InvalidName` for what cannot
      be a container or an object, and for storing under a name that no download could write as a file.
    - Errors are those of `airflow_dlaas.exceptions`: `StoreError` and below; `HostError` when a file cannot be
      written on this machine. None of them holds a secret.
    """

    def check(self, container: str) -> None:
        """
        See whether *container* can be reached, at once: no retries.

        :raises StoreRefused: the credentials are wrong, or do not reach that far.
        :raises ContainerNotFound: there is no such container.
        :raises StoreUnreachable: no answer, or one that says "later".
        """

    def limits(self) -> StoreLimits:
        """What the store takes; asked once, then remembered."""

    def list_containers(self) -> Sequence[str]:
        """The names of all containers."""

    def create_container(self, name: str) -> None:
        """Make sure the container exists."""

    def delete_container(self, name: str) -> None:
        """
        Delete an empty container.

        :raises StoreError: there is an object in it.
        """

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        """
        All objects whose names start with *prefix*, in the store's order, page by page as they are asked for.

        What is stored or deleted meanwhile may or may not appear.
        """

    def list_dir(self, container: str, folder: str = "", *, limit: int = 0) -> Iterator[StoredObject | str]:
        """
        One level of names: what is right below *is_folder_marker*, which is empty or ends with a slash.

        :param limit: entries to give at the most, in one request; 0 for all.
        :return: objects, and for each subfolder its full name, which ends with a slash.
        """

    def stat(self, container: str, name: str) -> StoredObject:
        """
        Say of one object what a listing would, but as it is now: a listing may lag behind.

        :raises ObjectNotFound: there is none of that name.
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
        Store *source* as the whole content of *name*, in place of what was there; its MD5.

        All or nothing: the store compares the MD5 itself, so that what arrived damaged, or changed while it was being
        sent, is not kept and the object before it stays. *md5* saves reading the source twice where it is known.

        :raises Corrupted: it differed at every attempt.
        """

    def put_segment(self, container: str, name: str, body: Body, *, on_progress: BytesCallback | None = None) -> str:
        """
        Store *body* under a name that nobody reads yet; its MD5, taken on the way: read once.

        What arrived damaged may stay under *name*, so use it only for what `complete_multipart` puts together later.

        :raises Corrupted: the store's MD5 was another one at every attempt.
        """

    def complete_multipart(
        self, container: str, name: str, parts: Sequence[Part], *, content_type: str | None = None
    ) -> None:
        """
        Make *name* the object that consists of the segments *parts*, in place of what was there, in one step.

        The store looks at each segment's size and MD5 first.

        :raises Corrupted: a segment is gone, or another one.
        """

    def get_layout(self, container: str, name: str) -> ObjectLayout:
        """
        Say what an object is made of.

        :raises ObjectNotFound: there is none of that name.
        """

    def get(self, container: str, name: str, destination: Path, *, on_progress: BytesCallback | None = None) -> int:
        """
        Fetch *name* into the file *destination*, whose folder exists; the number of bytes.

        The file appears complete and verified, or not at all. What was there before is replaced in one step.
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
        Fetch *part* of the very content that *layout* was a look at; where it broke off, it goes on.

        :raises Corrupted: what came had another MD5 at every attempt.
        :raises StoreError: the object was replaced since.
        """

    def read_range(self, container: str, name: str, start: int, end: int) -> bytes:
        """
        The bytes from *start* up to *end* of an object, or what there is of them; held in memory.

        Checked for their number only: a stretch has no checksum.
        """

    def copy(self, container: str, name: str, to_container: str, to_name: str) -> None:
        """
        Store the content of an object in one piece as *to_name* in the container *to_container* too, without moving it here.

        The store answers when it is done, which for a large object may be later than it may be silent.
        """

    def delete(self, container: str, names: Iterable[str]) -> None:
        """Delete objects; one that is already gone is no error. The segments of one made of them stay."""
