"""Uploads of one object's content: each method `send` is one attempt, verified by the server and by its response."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.body import Body, as_body, md5_of
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.object_store import BytesCallback
from airflow_dlaas.storage.s3.errors import DAMAGED_CODES
from airflow_dlaas.storage.s3.requests import put_object
from airflow_dlaas.storage.s3.responses import has_other_etag, is_md5, normalize_etag, parse_error
from airflow_dlaas.storage.s3.session import Headers, S3Session


@dataclass(slots=True)
class ObjectUpload:
    """The PUT of an object in one piece."""

    session: S3Session
    container: str
    name: str
    source: Path | bytes | Body
    md5: str | None = None
    """The MD5 of the source, if known; for the first attempt only: the file may be written before the next one."""
    content_type: str | None = None
    on_progress: BytesCallback | None = None

    def send(self) -> str:
        """
        Store the source; return its MD5.

        :raises Corrupted: the store received or kept other content.
        """
        body = as_body(self.source)
        expected, self.md5 = self.md5 or md5_of(body), None
        request = put_object(self.container, self.name, expected, self.content_type)
        try:
            headers, _ = self.session.send(request, body, self.on_progress)
        except HttpResponseError as error:
            if parse_error(error.body).code not in DAMAGED_CODES:
                raise
            raise Corrupted(
                f"{self.container}/{self.name} was not stored: its MD5 on arrival differs from the MD5 before it was "
                f"sent. Either the network damages data, or {body} was written meanwhile"
            ) from error
        require_stored_md5(f"{self.container}/{self.name}", headers, expected)
        return expected


def require_stored_md5(object_name: str, headers: Headers, expected: str) -> None:
    """
    Compare the ETag in the response to a PUT with the MD5 of what was sent.

    An ETag that is no MD5, by the encryption of the object or by its form, is not compared.

    :raises Corrupted: it differs.
    """
    etag = normalize_etag(headers.get("etag", ""))
    if etag != expected and not has_other_etag(headers) and (is_md5(etag) or not etag):
        raise Corrupted(f"{object_name} was stored with the MD5 {etag!r}, but {expected} was sent")
