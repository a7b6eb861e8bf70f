"""Downloads of one object's content: each method `fetch` is one attempt, verified."""

from __future__ import annotations

import hashlib
import http.client
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from swiftclient.exceptions import ClientException

from airflow_dlaas.exceptions import Corrupted, StoreError
from airflow_dlaas.storage.atomic_write import atomic_write
from airflow_dlaas.storage.body import CHUNK_SIZE
from airflow_dlaas.storage.checksums import ChecksumVerifier
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, WriteAt
from airflow_dlaas.storage.swift.auth import AuthToken
from airflow_dlaas.storage.swift.errors import translate_errors, translate_parse_errors
from airflow_dlaas.storage.swift.object_layout import read_layout
from airflow_dlaas.storage.swift.object_upload import object_path
from airflow_dlaas.storage.swift.responses import is_static_large_object, normalize_etag
from airflow_dlaas.storage.swift.session import SwiftSession

REPLACED_STATUSES = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
"""The statuses of a request for a part of an object that was replaced since its layout was read."""


@dataclass(frozen=True, slots=True)
class ObjectDownload:
    """The GET of a whole object into a file, which appears when the content is verified."""

    session: SwiftSession
    container: str
    name: str
    destination: Path
    on_progress: BytesCallback | None = None

    def fetch(self, token: AuthToken) -> int:
        """
        Write the file; return the number of bytes.

        :raises Corrupted: the content is not what was stored, or the object was replaced meanwhile.
        :raises HostError: the file cannot be written.
        """
        with self.session.http_pool.get(token, object_path(self.container, self.name), {}) as response:
            verifier = self._verifier(response.headers)
            self._save(response, verifier)
            return verifier.bytes_received

    def _verifier(self, headers: http.client.HTTPMessage) -> ChecksumVerifier:
        object_name = f"{self.container}/{self.name}"
        lowered = {name.lower(): value for name, value in headers.items()}
        etag = normalize_etag(lowered.get("etag", ""))
        if not is_static_large_object(lowered) and not lowered.get("x-object-manifest"):
            with translate_parse_errors(self.session.auth_url):
                return ChecksumVerifier(
                    object_name, [Part(0, int(lowered["content-length"]), normalize_etag(lowered["etag"]))]
                )
        layout = read_layout(self.session, self.container, self.name)
        if layout.etag and normalize_etag(layout.etag) != etag:
            raise Corrupted(f"{object_name} was replaced while it was being fetched")
        return ChecksumVerifier(object_name, layout.parts or [Part(0, layout.size)])

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
        with translate_errors(self.session.auth_url):
            return response.read(CHUNK_SIZE)


@dataclass(slots=True)
class PartDownload:
    """The GET of one part of an object. Each attempt resumes where the one before broke off."""

    session: SwiftSession
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
            except ClientException as error:
                if error.http_status not in REPLACED_STATUSES:
                    raise
                raise StoreError(
                    f"{self.container}/{self.name} was replaced while it was being fetched: fetch it again"
                ) from error
        if self._received != part.size or (part.md5 and self._md5.hexdigest() != part.md5):
            if self.on_progress is not None:
                self.on_progress(-self._received)
            self._received, self._md5 = 0, hashlib.md5(usedforsecurity=False)
            raise Corrupted(f"A part of {self.container}/{self.name} arrived with another MD5 than it was stored with")

    def _fetch_rest(self, token: AuthToken) -> None:
        part = self.part
        headers = {"Range": f"bytes={part.start + self._received}-{part.start + part.size - 1}"}
        if self.layout.etag:
            headers["If-Match"] = f'"{normalize_etag(self.layout.etag)}"'
        with self.session.http_pool.get(token, object_path(self.container, self.name), headers) as response:
            wants_whole_object = not part.start and not self._received and part.size == self.layout.size
            if response.status != HTTPStatus.PARTIAL_CONTENT and not wants_whole_object:
                raise StoreError(f"The store sent all of {self.container}/{self.name} in reply to a request for a part")
            while chunk := response.read(min(CHUNK_SIZE, part.size - self._received)):
                self.write_at(part.start + self._received, chunk)
                self._md5.update(chunk)
                self._received += len(chunk)
                if self.on_progress is not None:
                    self.on_progress(len(chunk))
            if self._received < part.size:
                raise http.client.IncompleteRead(b"", part.size - self._received)


def fetch_range(session: SwiftSession, container: str, name: str, start: int, end: int, token: AuthToken) -> bytes:
    """Fetch the bytes from *start* up to *end* into memory, or what the object has of them; one attempt."""
    headers = {"Range": f"bytes={start}-{end - 1}"}
    try:
        with session.http_pool.get(token, object_path(container, name), headers) as response:
            data = response.read()
            return data if response.status == HTTPStatus.PARTIAL_CONTENT else data[start:end]
    except ClientException as error:
        if error.http_status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return b""  # the object ends before *start*
        raise
