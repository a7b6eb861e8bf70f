"""Uploads of one object's content: each method `send` is one attempt, verified."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from swiftclient.exceptions import ClientException

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.body import Body, BytesBody, HashingBody, as_body, md5_of
from airflow_dlaas.storage.object_store import BytesCallback, Part
from airflow_dlaas.storage.segments import slo_etag
from airflow_dlaas.storage.swift.auth import AuthToken
from airflow_dlaas.storage.swift.errors import translate_parse_errors
from airflow_dlaas.storage.swift.responses import normalize_etag, parse_manifest_result
from airflow_dlaas.storage.swift.session import SwiftSession


def object_path(container: str, name: str) -> str:
    """The path of an object below the storage URL, quoted."""
    return f"/{quote(container)}/{quote(name)}"


@dataclass(slots=True)
class ObjectUpload:
    """The PUT of an object in one piece. The ETag of the response is compared with the MD5 in any case."""

    session: SwiftSession
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

    def send(self, token: AuthToken) -> str:
        """
        Store the source; return its MD5.

        :raises Corrupted: the store received or kept other content.
        """
        body, expected = as_body(self.source), ""
        headers = {"Content-Type": self.content_type} if self.content_type else {}
        if not isinstance(body, HashingBody):
            expected, self.md5 = self.md5 or md5_of(body), None
            headers["ETag"] = expected
        path = object_path(self.container, self.name)
        try:
            response_headers, _ = self.session.http_pool.put(token, path, headers, body, self.on_progress)
        except ClientException as error:
            if error.http_status == HTTPStatus.UNAUTHORIZED:
                self.md5 = expected or None
            if error.http_status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
            raise Corrupted(
                f"{self.container}/{self.name} was not stored: its MD5 on arrival differs from the MD5 before it was "
                f"sent. Either the network damages data, or {body} was written meanwhile"
            ) from error
        if isinstance(body, HashingBody):
            expected = body.md5
        etag = normalize_etag(response_headers.get("ETag", ""))
        if etag != expected:
            raise Corrupted(f"{self.container}/{self.name} was stored with the MD5 {etag!r}, but {expected} was sent")
        return etag


@dataclass(frozen=True, slots=True)
class ManifestUpload:
    """The PUT of a static large object: the manifest of its segments."""

    session: SwiftSession
    container: str
    name: str
    parts: Sequence[Part]
    content_type: str | None = None

    def send(self, token: AuthToken) -> None:
        """
        Make the object consist of the segments.

        The ETag makes a store without static large objects, which would store the manifest itself, refuse it.

        :raises Corrupted: a segment is gone, or was replaced.
        """
        manifest = [
            {"path": "/{}/{}".format(*part.segment), "etag": part.md5, "size_bytes": part.size}
            for part in self.parts
            if part.segment
        ]
        expected = slo_etag(part.md5 or "" for part in self.parts)
        headers = {"ETag": expected, "Accept": "application/json"}
        if self.content_type:
            headers["Content-Type"] = self.content_type
        body = BytesBody(json.dumps(manifest).encode())
        # The heartbeat sends a byte at intervals: many segments may take longer than the read timeout.
        path = f"{object_path(self.container, self.name)}?multipart-manifest=put&heartbeat=on"
        try:
            response_headers, response_body = self.session.http_pool.put(token, path, headers, body, None)
            with translate_parse_errors(self.session.auth_url):
                etag = parse_manifest_result(response_body) if response_body else response_headers.get("ETag", "")
        except ClientException as error:
            if error.http_status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
                raise
            raise Corrupted(
                f"{self.container}/{self.name} was not put together: a segment of it is gone or was replaced "
                f"({error.http_status} {error.http_reason}). Did another upload write the same object at the same time?"
            ) from error
        if normalize_etag(etag) != expected:
            raise Corrupted(f"{self.container}/{self.name} has the ETag {etag!r}, but its segments make {expected}")
