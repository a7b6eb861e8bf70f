"""Fetches the content of one entry to a file, verified against the digest that the listing has."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.service.data_cache.content import md5_of_range, write_checksums
from airflow_dlaas.service.data_cache.entries import CacheFolder, translate_errors
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part, StoredObject
from airflow_dlaas.storage.segments import is_large, split_ranges
from airflow_dlaas.storage.transfer.object_fetcher import ObjectFetcher
from airflow_dlaas.storage.transfer.plan import PlannedDownload
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker

VerifiedCallback = Callable[[bool], object]
"""Called when the file is complete and verified; receives whether its content is on the disk (`fsync`)."""


class Uncacheable(Exception):
    """The digest in the listing does not identify the content of the object; internal to the cache."""


class EntryFetcher:
    """
    Fetches objects of one container.

    An object in one piece is fetched by one request: its MD5 in the listing is that which the content must have, so it
    is read once, and one that was replaced after the listing is an error and not other content.

    :param fetcher: fetches objects in parts.
    """

    def __init__(
        self,
        folder: CacheFolder,
        source: str,
        store: ObjectStore,
        container: str,
        fetcher: ObjectFetcher,
        tracker: ProgressTracker,
    ) -> None:
        self._folder = folder
        self._source = source
        self._store = store
        self._container = container
        self._fetcher = fetcher
        self._tracker = tracker

    def fetch(self, planned: PlannedDownload, name: str, target: Path, on_verified: VerifiedCallback) -> None:
        """
        Fetch the content of the entry *name* to *target*; a large object by further work items of the pool.

        :raises Uncacheable: the listing does not identify the content.
        :raises Corrupted: the object was replaced since it was listed.
        :raises StoreError: it cannot be fetched. HostError: the file cannot be written.
        """
        if planned.stored.md5 is None or is_large(planned.size, self._fetcher.segment_size):
            layout = self._require_listed_layout(planned.stored)
            self._fetcher.fetch_parts(
                planned, target, layout, lambda _: self._finish(planned.stored, name, target, layout, on_verified)
            )
            return
        if planned.size:
            self._fetch_piece(planned.stored, planned.stored.md5, target)
        else:
            self._fetch_empty(planned.stored, target)
        on_verified(False)

    def _fetch_piece(self, stored: StoredObject, md5: str, target: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with translate_errors(self._folder):
            descriptor = os.open(target, flags, 0o600)

        def write_at(offset: int, chunk: bytes) -> None:
            remaining = memoryview(chunk)
            with translate_errors(self._folder):
                while remaining:
                    count = os.pwrite(descriptor, remaining, offset)
                    offset, remaining = offset + count, remaining[count:]

        layout, part = ObjectLayout(stored.size, "", md5), Part(0, stored.size, md5)
        try:
            self._store.get_part(
                self._container, stored.name, layout, part, write_at, on_progress=self._tracker.advance
            )
        except BaseException as error:
            target.unlink(missing_ok=True)
            if isinstance(error, Corrupted):
                self._require_listed_layout(stored)
            raise
        finally:
            os.close(descriptor)

    def _fetch_empty(self, stored: StoredObject, target: Path) -> None:
        """Fetch an object that the listing shows as empty; so it shows a dynamic large object of Swift, too."""
        size = self._store.get(self._container, stored.name, target)
        if size:
            raise Uncacheable

    def _require_listed_layout(self, stored: StoredObject) -> ObjectLayout:
        """
        Return the layout of an object, if it is the one that was listed.

        :raises Uncacheable: it has segments, which the listing does not show.
        :raises Corrupted: it was replaced.
        """
        layout = self._store.get_layout(self._container, stored.name)
        if stored.md5 is not None:
            if layout.md5 is None:
                raise Uncacheable
            is_listed = layout.md5 == stored.md5
        else:
            # After the layout: if the object was replaced before, it is found here; if it is replaced later, the
            # ETag of the layout is not that of the parts.
            is_listed = self._store.stat(self._container, stored.name).digest == stored.digest
        if layout.size != stored.size or not is_listed:
            raise Corrupted(f"{self._container}/{stored.name} was replaced after it was listed: list it again")
        return layout

    def _finish(
        self, stored: StoredObject, name: str, target: Path, layout: ObjectLayout, on_verified: VerifiedCallback
    ) -> None:
        with translate_errors(self._folder):
            descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if stored.md5 is None:
                    parts = _hashed_parts(descriptor, layout, self._fetcher.segment_size)
                    _require_multipart_etag(stored, layout, parts)
                    write_checksums(self._folder, self._source, name, parts)
                os.fsync(descriptor)  # to verify a large object again after a restart of the machine takes longer
            finally:
                os.close(descriptor)
        on_verified(True)


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
    joined = b"".join(bytes.fromhex(part.md5 or "") for part in parts)
    etag = f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"
    if stored.multipart_etag != etag:
        raise Corrupted(f"The content of {stored.name} has the ETag {etag}, and the store has {stored.multipart_etag}")
