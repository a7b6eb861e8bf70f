"""Downloads of one object's content: each method `fetch` is one attempt, verified."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.checksums import ChecksumVerifier
from airflow_dlaas.storage.gcs import targets
from airflow_dlaas.storage.gcs.auth import AuthToken
from airflow_dlaas.storage.gcs.errors import translate_errors, translate_parse_errors
from airflow_dlaas.storage.gcs.responses import parse_layout, parse_md5_header
from airflow_dlaas.storage.gcs.session import GcsSession
from airflow_dlaas.storage.http.content_download import REPLACED_STATUSES, PartContent, save_content
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part

GENERATION_HEADER = "x-goog-generation"


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
            translate = partial(translate_errors, self.session.url)
            return save_content(response, self.destination, verifier, translate, self.on_progress)

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


@dataclass(slots=True)
class PartDownload:
    """The GET of one part of an object. Each attempt resumes where the one before broke off."""

    session: GcsSession
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
            try:
                self._fetch_rest(token)
            except HttpResponseError as error:
                if error.status not in REPLACED_STATUSES:
                    raise
                raise self.content.replaced_error() from error
        self.content.verify()

    def _fetch_rest(self, token: AuthToken) -> None:
        generation = self.content.layout.etag
        target = targets.media(self.container, self.name, generation)
        with self.session.open(target, token, self.content.range_headers()) as response:
            # Without a generation in the layout, only the MD5 of the part identifies the content.
            if generation and response.headers.get(GENERATION_HEADER, generation) != generation:
                raise self.content.replaced_error()
            self.content.receive(response)


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
