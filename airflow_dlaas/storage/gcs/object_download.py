"""Downloads of one object's content: each method `fetch` is one attempt, verified."""

from __future__ import annotations

import hashlib
import http.client
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from airflow_dlaas.exceptions import Corrupted, StoreError
from airflow_dlaas.storage.atomic_write import atomic_write
from airflow_dlaas.storage.body import CHUNK_SIZE
from airflow_dlaas.storage.checksums import ChecksumVerifier
from airflow_dlaas.storage.gcs import targets
from airflow_dlaas.storage.gcs.auth import AuthToken
from airflow_dlaas.storage.gcs.errors import translate_errors, translate_parse_errors
from airflow_dlaas.storage.gcs.responses import parse_layout, parse_md5_header
from airflow_dlaas.storage.gcs.session import GcsSession
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, WriteAt

GENERATION_HEADER = "x-goog-generation"

REPLACED_STATUSES = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
"""The statuses of a request for a part of an object that was replaced since its layout was read."""


def read_layout(session: GcsSession, container: str, name: str, token: AuthToken) -> ObjectLayout:
    """Read the size, the generation and the MD5s of an object; one attempt."""
    target = targets.stored_object(container, name, fields=targets.OBJECT_FIELDS)
    resource = session.send_json("GET", target, None, token)
    with translate_parse_errors(session.url):
        return parse_layout(resource)


@dataclass(frozen=True, slots=True)
class ObjectDownload:
    """The GET of a whole object into a file, which appears when the content is verified."""

    session: GcsSession
    container: str
    name: str
    destination: Path
    on_progress: BytesCallback | None = None

    def fetch(self, token: AuthToken) -> int:
        """
        Write the file; return the number of bytes.

        An object that was composed by another program has no MD5: only its size is checked.

        :raises Corrupted: the content is not what was stored, or the object was replaced meanwhile.
        :raises HostError: the file cannot be written.
        """
        with self.session.open(targets.media(self.container, self.name), token, {}) as response:
            verifier = self._verifier(response.headers, token)
            self._save(response, verifier)
            return verifier.bytes_received

    def _verifier(self, headers: http.client.HTTPMessage, token: AuthToken) -> ChecksumVerifier:
        object_name = f"{self.container}/{self.name}"
        with translate_parse_errors(self.session.url):
            md5 = parse_md5_header(headers.get_all("x-goog-hash") or ())
            if md5 is not None and headers.get("Content-Length") is not None:
                return ChecksumVerifier(object_name, [Part(0, int(headers["Content-Length"]), md5)])
        layout = read_layout(self.session, self.container, self.name, token)
        if headers.get(GENERATION_HEADER, layout.etag) != layout.etag:
            raise Corrupted(f"{object_name} was replaced while it was being fetched")
        return ChecksumVerifier(object_name, layout.parts or [Part(0, layout.size, layout.md5)])

    def _save(self, response: http.client.HTTPResponse, verifier: ChecksumVerifier) -> None:
        received = 0
        try:
            with atomic_write(self.destination) as file:
                while chunk := self._read_chunk(response):
                    file.write(chunk)
                    verifier.update(chunk)
                    received += len(chunk)
                    if self.on_progress is not None:
                        self.on_progress(len(chunk))
                verifier.finalize()
        except BaseException:
            if self.on_progress is not None:
                self.on_progress(-received)
            raise

    def _read_chunk(self, response: http.client.HTTPResponse) -> bytes:
        # `atomic_write` takes every OSError for one of the disk, so errors of the network are translated before.
        with translate_errors(self.session.url):
            return response.read(CHUNK_SIZE)


@dataclass(slots=True)
class PartDownload:
    """The GET of one part of an object. Each attempt resumes where the one before broke off."""

    session: GcsSession
    container: str
    name: str
    layout: ObjectLayout
    part: Part
    write_at: WriteAt
    on_progress: BytesCallback | None = None
    _received: int = field(init=False, default=0)
    _md5: Any = field(init=False, default_factory=lambda: hashlib.md5(usedforsecurity=False))

    def fetch(self, token: AuthToken) -> None:
        """
        Fetch the rest of the part.

        :raises Corrupted: the whole part arrived, with another MD5; the next attempt begins at its start.
        :raises StoreError: the object was replaced since its layout was read.
        """
        part = self.part
        if self._received < part.size:
            try:
                self._fetch_rest(token)
            except HttpResponseError as error:
                if error.status not in REPLACED_STATUSES:
                    raise
                raise self._replaced_error() from error
        if self._received != part.size or (part.md5 and self._md5.hexdigest() != part.md5):
            if self.on_progress is not None:
                self.on_progress(-self._received)
            self._received, self._md5 = 0, hashlib.md5(usedforsecurity=False)
            raise Corrupted(f"A part of {self.container}/{self.name} arrived with another MD5 than it was stored with")

    def _fetch_rest(self, token: AuthToken) -> None:
        part = self.part
        headers = {"Range": f"bytes={part.start + self._received}-{part.start + part.size - 1}"}
        target = targets.media(self.container, self.name, self.layout.etag)
        with self.session.open(target, token, headers) as response:
            wants_whole_object = not part.start and not self._received and part.size == self.layout.size
            if response.status != HTTPStatus.PARTIAL_CONTENT and not wants_whole_object:
                raise StoreError(f"The store sent all of {self.container}/{self.name} in reply to a request for a part")
            # Without an ETag in the layout, only the MD5 of the part identifies the content.
            if self.layout.etag and response.headers.get(GENERATION_HEADER, self.layout.etag) != self.layout.etag:
                raise self._replaced_error()
            while chunk := response.read(min(CHUNK_SIZE, part.size - self._received)):
                self.write_at(part.start + self._received, chunk)
                self._md5.update(chunk)
                self._received += len(chunk)
                if self.on_progress is not None:
                    self.on_progress(len(chunk))
            if self._received < part.size:
                raise http.client.IncompleteRead(b"", part.size - self._received)

    def _replaced_error(self) -> StoreError:
        return StoreError(f"{self.container}/{self.name} was replaced while it was being fetched: fetch it again")


def fetch_range(session: GcsSession, container: str, name: str, start: int, end: int, token: AuthToken) -> bytes:
    """Fetch the bytes from *start* up to *end* into memory, or what the object has of them; one attempt."""
    headers = {"Range": f"bytes={start}-{end - 1}"}
    try:
        with session.open(targets.media(container, name), token, headers) as response:
            data = response.read()
            return data if response.status == HTTPStatus.PARTIAL_CONTENT else data[start:end]
    except HttpResponseError as error:
        if error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return b""  # the object ends before *start*
        raise
