"""Uploads of one object's content: each method `send` is one attempt, verified."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.body import Body, HashingBody, as_body, md5_of
from airflow_dlaas.storage.gcs import targets
from airflow_dlaas.storage.gcs.auth import AuthToken
from airflow_dlaas.storage.gcs.errors import translate_parse_errors
from airflow_dlaas.storage.gcs.responses import md5_from_base64, md5_to_base64
from airflow_dlaas.storage.gcs.session import GcsSession
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.object_store import BytesCallback


class RelatedBody:
    """Metadata and content in one body (``multipart/related``), so that the store checks the MD5 before it stores."""

    def __init__(self, metadata: Mapping[str, Any], content: Body) -> None:
        self._content = content
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/related; boundary={boundary}"
        self.head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(metadata)}\r\n"
            f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.size = len(self.head) + content.size + len(self._tail)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Yield the metadata, and then the content from its beginning."""
        yield self.head
        yield from self._content.chunks()
        yield self._tail

    def __str__(self) -> str:
        return str(self._content)


@dataclass(slots=True)
class ContentProgress:
    """Reports how much of the content was sent, of a body that has other bytes before and after it."""

    head_size: int
    content_size: int
    on_progress: BytesCallback
    _sent: int = field(init=False, default=0)
    _reported: int = field(init=False, default=0)

    def update(self, count: int) -> None:
        """Add *count* bytes of the body; a negative number takes back those of a failed attempt."""
        self._sent += count
        of_content = min(max(self._sent - self.head_size, 0), self.content_size)
        if of_content != self._reported:
            self.on_progress(of_content - self._reported)
            self._reported = of_content


@dataclass(slots=True)
class ObjectUpload:
    """The upload of an object in one piece. The MD5 in the response is compared in any case."""

    session: GcsSession
    container: str
    name: str
    source: Path | bytes | Body
    """Its MD5 is sent first, so that the store refuses other content; except for a `HashingBody`, which has it last."""
    md5: str | None = None
    """
    The MD5 of the source, if known; for the first attempt only: the file may be written before the next one.

    An attempt that is repeated at once with a new token (401) is still the same one, so the source is not read again.
    """
    content_type: str | None = None
    on_progress: BytesCallback | None = None

    def send(self, token: AuthToken) -> Mapping[str, Any]:
        """
        Store the source; return the resource of the object, whose MD5 is that of the source.

        :raises Corrupted: the store received or kept other content.
        """
        body, expected = as_body(self.source), ""
        metadata = {"name": self.name} | ({"contentType": self.content_type} if self.content_type else {})
        if not isinstance(body, HashingBody):
            expected, self.md5 = self.md5 or md5_of(body), None
            metadata["md5Hash"] = md5_to_base64(expected)
        related = RelatedBody(metadata, body)
        progress = None
        if self.on_progress is not None:
            progress = ContentProgress(len(related.head), body.size, self.on_progress).update
        headers, target = {"Content-Type": related.content_type}, targets.upload(self.container)
        try:
            _, answer = self.session.send("POST", target, token, headers=headers, body=related, on_progress=progress)
        except HttpResponseError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                self.md5 = expected or None
            if error.status != HTTPStatus.BAD_REQUEST or b"MD5" not in error.body:
                raise
            raise Corrupted(
                f"{self.container}/{self.name} was not stored: its MD5 on arrival differs from the MD5 before it was "
                f"sent. Either the network damages data, or {body} was written meanwhile"
            ) from error
        if isinstance(body, HashingBody):
            expected = body.md5
        with translate_parse_errors(self.session.url):
            resource: Mapping[str, Any] = json.loads(answer)
            stored = md5_from_base64(resource["md5Hash"])
        if stored != expected:
            raise Corrupted(f"{self.container}/{self.name} was stored with the MD5 {stored}, but {expected} was sent")
        return resource
