"""Downloads of one object's content: each method `fetch` is one attempt, verified."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.checksums import ChecksumVerifier, PartsVerifier
from airflow_dlaas.storage.http.content_download import REPLACED_STATUSES, PartContent, save_content
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.object_store import BytesCallback, Part
from airflow_dlaas.storage.s3.errors import translate_errors, translate_parse_errors
from airflow_dlaas.storage.s3.object_layout import read_parts
from airflow_dlaas.storage.s3.requests import get_object
from airflow_dlaas.storage.s3.responses import has_other_etag, is_md5, normalize_etag, part_count
from airflow_dlaas.storage.s3.session import Headers, S3Session
from airflow_dlaas.storage.segments import multipart_etag


@dataclass(slots=True)
class ObjectDownload:
    """The GET of a whole object into a file, which appears when the content is verified."""

    session: S3Session
    container: str
    name: str
    destination: Path
    on_progress: BytesCallback | None = None
    _has_unequal_parts: bool = field(init=False, default=False)

    def fetch(self) -> int:
        """
        Write the file; return the number of bytes.

        :raises Corrupted: the content is not what was stored, or the object was replaced meanwhile.
        :raises HostError: the file cannot be written.
        """
        with self.session.open(get_object(self.container, self.name, {})) as response:
            headers = {key.lower(): value for key, value in response.headers.items()}
            verifier = self._verifier(headers)
            translate = partial(translate_errors, self.session.keys)
            try:
                return save_content(response, self.destination, verifier, translate, self.on_progress)
            except Corrupted:
                # The sizes of the parts between the first and the last may differ: the next attempt requests all.
                self._has_unequal_parts = isinstance(verifier, PartsVerifier)
                raise

    def _verifier(self, headers: Headers) -> ChecksumVerifier:
        object_name = f"{self.container}/{self.name}"
        with translate_parse_errors(self.session.keys):
            # Without an ETag, it is no response of S3 but, for example, the page of a proxy.
            size, etag = int(headers["content-length"]), normalize_etag(headers["etag"])
        if has_other_etag(headers):
            return ChecksumVerifier(object_name, [Part(0, size)])
        if part_count(etag):
            parts = read_parts(self.session, self.container, self.name, size, etag, exact=self._has_unequal_parts)
            if parts:
                return PartsVerifier(object_name, parts, etag, multipart_etag)
        return ChecksumVerifier(object_name, [Part(0, size, etag if is_md5(etag) else None)])


@dataclass(slots=True)
class PartDownload:
    """The GET of one part of an object. Each attempt resumes where the one before broke off."""

    session: S3Session
    container: str
    name: str
    content: PartContent

    def fetch(self) -> None:
        """
        Fetch the rest of the part.

        :raises Corrupted: the whole part arrived, with another MD5; the next attempt begins at its start.
        :raises StoreError: the object was replaced since its layout was read.
        """
        if not self.content.is_received:
            request = get_object(self.container, self.name, self.content.request_headers())
            try:
                with self.session.open(request) as response:
                    self.content.receive(response)
            except HttpResponseError as error:
                if error.status not in REPLACED_STATUSES:
                    raise
                raise self.content.replaced_error() from error
        self.content.verify()


def fetch_range(session: S3Session, container: str, name: str, start: int, end: int) -> bytes:
    """Fetch the bytes from *start* up to *end* into memory, or what the object has of them; one attempt."""
    request = get_object(container, name, {"Range": f"bytes={start}-{end - 1}"})
    try:
        with session.open(request) as response:
            data = response.read()
            return data if response.status == HTTPStatus.PARTIAL_CONTENT else data[start:end]
    except HttpResponseError as error:
        if error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return b""  # the object ends before *start*
        raise
