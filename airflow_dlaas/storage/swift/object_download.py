"""Downloads of one object's content: each method `fetch` is one attempt, verified."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

from swiftclient.exceptions import ClientException

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.checksums import ChecksumVerifier
from airflow_dlaas.storage.http.content_download import REPLACED_STATUSES, PartContent, save_content
from airflow_dlaas.storage.object_store import BytesCallback, Part
from airflow_dlaas.storage.swift.auth import AuthToken
from airflow_dlaas.storage.swift.errors import translate_errors, translate_parse_errors
from airflow_dlaas.storage.swift.object_layout import read_layout
from airflow_dlaas.storage.swift.object_upload import object_path
from airflow_dlaas.storage.swift.responses import is_static_large_object, normalize_etag
from airflow_dlaas.storage.swift.session import SwiftSession


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
            translate = partial(translate_errors, self.session.auth_url)
            return save_content(response, self.destination, verifier, translate, self.on_progress)

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


@dataclass(frozen=True, slots=True)
class PartDownload:
    """The GET of one part of an object. Each attempt resumes where the one before broke off."""

    session: SwiftSession
    container: str
    name: str
    content: PartContent

    def fetch(self, token: AuthToken) -> None:
        """
        Fetch the rest of the part.

        :raises Corrupted: the whole part arrived, with another MD5; the next attempt begins at its start.
        :raises StoreError: the object was replaced since its layout was read.
        """
        if not self.content.is_received:
            path, headers = object_path(self.container, self.name), self.content.request_headers()
            try:
                with self.session.http_pool.get(token, path, headers) as response:
                    self.content.receive(response)
            except ClientException as error:
                if error.http_status not in REPLACED_STATUSES:
                    raise
                raise self.content.replaced_error() from error
        self.content.verify()


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
