"""Fetches one object to a file, verified against the digest that the listing has."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from airflow_dlaas.exceptions import Corrupted, HostError
from airflow_dlaas.service.data_cache.content import md5_of_range
from airflow_dlaas.storage.atomic_write import atomic_write
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part, StoredObject
from airflow_dlaas.storage.segments import is_large, multipart_etag, split_ranges
from airflow_dlaas.storage.transfer.object_fetcher import ObjectFetcher
from airflow_dlaas.storage.transfer.plan import PlannedDownload
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker

VerifiedCallback = Callable[[Sequence[Part]], object]
"""Called when the file is there; receives the parts with their MD5s, or nothing if the whole has an MD5."""


class Unidentified(Exception):
    """The digest in the listing does not identify the content of the object; internal to the cache."""


class ListedFetcher:
    """
    Fetches objects of one container as a listing shows them.

    An object in one piece is fetched by one request: its MD5 in the listing is that which the content must have, so it
    is read once, and one that was replaced after the listing is an error and not other content.

    :param fetcher: fetches objects in parts.
    """

    def __init__(self, store: ObjectStore, container: str, fetcher: ObjectFetcher, tracker: ProgressTracker) -> None:
        self._store = store
        self._container = container
        self._fetcher = fetcher
        self._tracker = tracker

    def fetch(self, planned: PlannedDownload, target: Path, on_verified: VerifiedCallback) -> None:
        """
        Fetch an object to *target*, whose folder exists; a large object by further work items of the pool.

        :raises Unidentified: the listing does not identify the content.
        :raises Corrupted: the object was replaced since it was listed.
        :raises StoreError: it cannot be fetched. HostError: the file cannot be written.
        """
        stored = planned.stored
        if stored.digest is None:
            raise Unidentified
        if not self.is_in_parts(planned):
            with atomic_write(target) as file:
                self.fetch_into(planned, file.fileno())
            on_verified(())
            return
        layout = self._require_listed_layout(stored)
        self._fetcher.fetch_parts(
            planned, target, layout, lambda _: on_verified(self._verified_parts(stored, target, layout))
        )

    def is_in_parts(self, planned: PlannedDownload) -> bool:
        """Whether an object is fetched in parts."""
        return planned.stored.md5 is None or is_large(planned.size, self._fetcher.segment_size)

    def fetch_into(self, planned: PlannedDownload, descriptor: int) -> None:
        """Fetch an object that is not fetched in parts into an open, empty file; the errors are those of `fetch`."""
        stored = planned.stored
        if not stored.size:
            if self._store.read_range(self._container, stored.name, 0, 1):
                self._require_listed_layout(stored)  # it was replaced, or is a dynamic large object of Swift
                raise _replaced(self._container, stored)
            return

        def write_at(offset: int, chunk: bytes) -> None:
            remaining = memoryview(chunk)
            while remaining:
                count = _write(descriptor, remaining, offset)
                offset, remaining = offset + count, remaining[count:]

        layout, part = ObjectLayout(stored.size, "", stored.md5), Part(0, stored.size, stored.md5)
        try:
            self._store.get_part(
                self._container, stored.name, layout, part, write_at, on_progress=self._tracker.advance
            )
        except Corrupted:
            self._require_listed_layout(stored)
            raise

    def _require_listed_layout(self, stored: StoredObject) -> ObjectLayout:
        """
        Return the layout of an object, if it is the one that was listed.

        :raises Unidentified: it has segments, which the listing does not show.
        :raises Corrupted: it was replaced.
        """
        layout = self._store.get_layout(self._container, stored.name)
        if stored.md5 is not None:
            if layout.md5 is None:
                raise Unidentified
            is_listed = layout.md5 == stored.md5
        else:
            # After the layout: if the object was replaced before, it is found here; if it is replaced later, the
            # ETag of the layout is not that of the parts.
            is_listed = self._store.stat(self._container, stored.name).digest == stored.digest
        if layout.size != stored.size or not is_listed:
            raise _replaced(self._container, stored)
        return layout

    def _verified_parts(self, stored: StoredObject, target: Path, layout: ObjectLayout) -> Sequence[Part]:
        if stored.md5 is not None:
            return ()
        try:
            descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                parts = _hashed_parts(descriptor, layout, self._fetcher.segment_size)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise HostError(f"{target} cannot be read: {error.strerror or error}") from error
        try:
            _require_multipart_etag(stored, layout, parts)
        except Corrupted:
            target.unlink(missing_ok=True)
            raise
        return parts


def _replaced(container: str, stored: StoredObject) -> Corrupted:
    return Corrupted(f"{container}/{stored.name} was replaced after it was listed: list it again")


def _write(descriptor: int, data: memoryview, offset: int) -> int:
    """Write as `os.pwrite`; the store, which calls this, does not take an error for one of the network."""
    try:
        return os.pwrite(descriptor, data, offset)
    except OSError as error:
        raise HostError(f"A file cannot be written: {error.strerror or error}") from error


def _hashed_parts(descriptor: int, layout: ObjectLayout, segment_size: int) -> list[Part]:
    """Return the parts of the content with their MD5s; those that the store has not given are computed."""
    parts = [part for part in layout.parts if part.size] or list(split_ranges(layout.size, segment_size))
    return [Part(part.start, part.size, part.md5 or md5_of_range(descriptor, part.start, part.size)) for part in parts]


def _require_multipart_etag(stored: StoredObject, layout: ObjectLayout, parts: Sequence[Part]) -> None:
    """
    Check the content of a multipart upload of S3, if its parts are known.

    :raises Corrupted: it has another ETag.
    """
    if stored.multipart_etag is None or not layout.parts:
        return
    etag = multipart_etag(part.md5 or "" for part in parts)
    if stored.multipart_etag != etag:
        raise Corrupted(f"The content of {stored.name} has the ETag {etag}, and the store has {stored.multipart_etag}")
