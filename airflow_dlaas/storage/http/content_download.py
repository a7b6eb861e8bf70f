"""The content of responses to GET: written to a file or in parts, verified, with the same guarantees for each store."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from airflow_dlaas.exceptions import Corrupted, StoreError
from airflow_dlaas.storage.atomic_write import atomic_write
from airflow_dlaas.storage.body import CHUNK_SIZE
from airflow_dlaas.storage.checksums import ChecksumVerifier
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, WriteAt

REPLACED_STATUSES = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
"""The statuses of a request for a part of an object that was replaced since its layout was read."""


def save_content(
    response: http.client.HTTPResponse,
    destination: Path,
    verifier: ChecksumVerifier,
    translate_errors: Callable[[], AbstractContextManager[None]],
    on_progress: BytesCallback | None = None,
) -> int:
    """
    Write the body of *response* to *destination*, which appears when *verifier* has accepted it; return its bytes.

    :param translate_errors: translates the errors of reading: `atomic_write` takes every OSError for one of the disk.
    """
    received = 0
    try:
        with atomic_write(destination) as file:
            while chunk := _read(response, translate_errors):
                file.write(chunk)
                verifier.update(chunk)
                received += len(chunk)
                if on_progress is not None:
                    on_progress(len(chunk))
            verifier.finalize()
    except BaseException:
        if on_progress is not None:
            on_progress(-received)
        raise
    return received


def _read(response: http.client.HTTPResponse, translate_errors: Callable[[], AbstractContextManager[None]]) -> bytes:
    with translate_errors():
        return response.read(CHUNK_SIZE)


@dataclass(slots=True)
class PartContent:
    """The content of one part of an object, of several attempts: each resumes where the one before broke off."""

    object_name: str
    """The object, for errors."""
    layout: ObjectLayout
    part: Part
    write_at: WriteAt
    on_progress: BytesCallback | None = None
    _received: int = field(init=False, default=0)
    _md5: Any = field(init=False, default_factory=lambda: hashlib.md5(usedforsecurity=False))

    @property
    def is_received(self) -> bool:
        """Whether all bytes were received."""
        return self._received >= self.part.size

    def range_headers(self) -> dict[str, str]:
        """Return the headers that request the rest of the part, whatever content the object has."""
        part = self.part
        return {"Range": f"bytes={part.start + self._received}-{part.start + part.size - 1}"}

    def request_headers(self) -> dict[str, str]:
        """Return the headers that request the rest of the part, of the content that the layout describes."""
        headers = self.range_headers()
        if self.layout.etag:
            headers["If-Match"] = '"{}"'.format(self.layout.etag.strip('"'))
        return headers

    def receive(self, response: http.client.HTTPResponse) -> None:
        """
        Write the rest of the part from the response to `request_headers`.

        :raises StoreError: the store sent the whole object instead.
        """
        part = self.part
        wants_whole_object = not part.start and not self._received and part.size == self.layout.size
        if response.status != HTTPStatus.PARTIAL_CONTENT and not wants_whole_object:
            raise StoreError(f"The store sent all of {self.object_name} in reply to a request for a part")
        while chunk := response.read(min(CHUNK_SIZE, part.size - self._received)):
            self.write_at(part.start + self._received, chunk)
            if part.md5:  # without it the content is compared as a whole later
                self._md5.update(chunk)
            self._received += len(chunk)
            if self.on_progress is not None:
                self.on_progress(len(chunk))
        if self._received < part.size:
            raise http.client.IncompleteRead(b"", part.size - self._received)

    def verify(self) -> None:
        """
        Check the MD5 of the part, if it is known.

        :raises Corrupted: it differs, or bytes are missing; the next attempt begins at the start of the part.
        """
        if self._received == self.part.size and (not self.part.md5 or self.part.md5 == self._md5.hexdigest()):
            return
        if self.on_progress is not None:
            self.on_progress(-self._received)
        self._received, self._md5 = 0, hashlib.md5(usedforsecurity=False)
        raise Corrupted(f"A part of {self.object_name} arrived with another MD5 than it was stored with")

    def replaced_error(self) -> StoreError:
        """Return the error for a response with one of `REPLACED_STATUSES`."""
        return StoreError(f"{self.object_name} was replaced while it was being fetched: fetch it again")
