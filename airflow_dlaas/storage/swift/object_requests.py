"""Moving the content of objects to and from a Swift: one attempt of each verb, verified."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from swiftclient import client as swiftclient
from swiftclient.exceptions import ClientException

from airflow_dlaas.exceptions import Corrupted, ObjectNotFound, StoreError
from airflow_dlaas.storage.body import CHUNK_SIZE, Body, BytesBody, FileBody
from airflow_dlaas.storage.checksums import ChecksumVerifier
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, WriteAt
from airflow_dlaas.storage.placing import atomic_write
from airflow_dlaas.storage.segments import slo_etag
from airflow_dlaas.storage.swift.auth import AuthToken
from airflow_dlaas.storage.swift.errors import translate_errors, translate_parse_errors
from airflow_dlaas.storage.swift.http_options import HttpOptions
from airflow_dlaas.storage.swift.http_pool import HttpPool
from airflow_dlaas.storage.swift.session import SwiftSession


class ObjectRequests:
    """Thread-safe. Tokens and the meaning of refusals are `SwiftSession`'s business, repeating is the caller's."""

    def __init__(self, session: SwiftSession, http_options: HttpOptions) -> None:
        self._session = session
        self._http_pool = HttpPool(http_options)

    def close(self) -> None:
        """Close idle connections."""
        self._http_pool.close()

    def put(
        self,
        container: str,
        name: str,
        body: Body,
        md5: str | None,
        content_type: str | None,
        on_progress: BytesCallback | None,
    ) -> str:
        """Store *body*; its MD5, which the store compares where it is known, and we do in any case."""
        headers = {"ETag": md5} if md5 else {}
        if content_type:
            headers["Content-Type"] = content_type
        hashing_body = body if md5 else _with_md5(body)

        def request(token: AuthToken) -> http.client.HTTPMessage:
            request_headers = {"X-Auth-Token": token.value, **headers}
            return self._http_pool.put(
                token.storage_url, _url_path(container, name), request_headers, hashing_body, on_progress
            )[0]

        try:
            response_headers = self._session.with_token(request, container)  # what is not found then is the container
        except Corrupted as error:
            raise Corrupted(
                f"{container}/{name} was not stored: its MD5 on arrival was another than before it was sent. "
                f"Either the network damages data, or {body} was being written meanwhile"
            ) from error
        expected = hashing_body.md5 if isinstance(hashing_body, _HashingBody) else md5
        etag = _normalize_etag(response_headers.get("ETag", ""))
        if etag != expected:
            raise Corrupted(f"{container}/{name} was stored with the MD5 {etag!r}, and {expected} was sent")
        return etag

    def complete_multipart(self, container: str, name: str, parts: Sequence[Part], content_type: str | None) -> None:
        """
        Store the list of segments as a static large object.

        The ETag makes a store that knows no such thing, and would keep the list itself, refuse it.
        """
        manifest = [
            {"path": "/{}/{}".format(*part.segment), "etag": part.md5, "size_bytes": part.size}
            for part in parts
            if part.segment
        ]
        expected = slo_etag(part.md5 or "" for part in parts)
        headers = {"ETag": expected, "Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        body = BytesBody(json.dumps(manifest).encode())
        # With a heartbeat a store that takes its time over many segments is not taken for a silent one.
        path = f"{_url_path(container, name)}?multipart-manifest=put&heartbeat=on"

        def request(token: AuthToken) -> str:
            auth_header = {"X-Auth-Token": token.value}
            response_headers, response_body = self._http_pool.put(
                token.storage_url, path, {**auth_header, **headers}, body, None
            )
            with translate_parse_errors(self._session.auth_url):
                return _normalize_etag(
                    _parse_slo_response(response_body) if response_body else response_headers.get("ETag", "")
                )

        try:
            etag = self._session.with_token(request, container, name)
        except StoreError as error:
            if not isinstance(error, (Corrupted, _ManifestRejected)) and _http_status(error) != HTTPStatus.BAD_REQUEST:
                raise
            raise Corrupted(
                f"{container}/{name} was not put together: a segment of it is gone or was replaced ({error}). "
                "Was the same file being uploaded by somebody else?"
            ) from error
        if etag != expected:
            raise Corrupted(f"{container}/{name} was put together with the ETag {etag!r}, and {expected} was meant")

    def get_layout(self, container: str, name: str) -> ObjectLayout:
        """Ask for an object's size and ETag, and for the list of its segments where it has any."""
        headers = self._session.call(swiftclient.head_object, container, name)
        etag, size = headers.get("etag", ""), int(headers.get("content-length", 0))
        if dlo_manifest := headers.get("x-object-manifest"):
            # Whatever begins with that name now. No ETag to insist on: Swift compares the empty manifest's.
            segment_container, _, prefix = unquote(dlo_manifest).partition("/")
            _, segments = self._session.call(
                swiftclient.get_container, segment_container, prefix=prefix, full_listing=True
            )
            return ObjectLayout(
                size,
                "",
                None,
                tuple(_parse_segments({**one, "name": f"{segment_container}/{one['name']}"} for one in segments)),
            )
        if headers.get("x-static-large-object", "").lower() != "true":
            with translate_parse_errors(self._session.auth_url):
                return ObjectLayout(size, etag, _normalize_etag(headers["etag"]))
        manifest_headers, manifest = self._session.call(
            swiftclient.get_object, container, name, query_string="multipart-manifest=get&format=json"
        )
        if manifest_headers.get("x-static-large-object", "").lower() != "true":
            raise Corrupted(f"{container}/{name} was replaced while it was being looked at")
        with translate_parse_errors(self._session.auth_url):
            return ObjectLayout(size, etag, None, tuple(_parse_segments(json.loads(manifest))))

    def get(self, container: str, name: str, destination: Path, on_progress: BytesCallback | None) -> int:
        """Fetch an object as a whole into a file that appears when it is verified."""

        def request(token: AuthToken) -> int:
            auth_header = {"X-Auth-Token": token.value}
            with self._http_pool.get(token.storage_url, _url_path(container, name), auth_header) as response:
                verifier = self._make_verifier(container, name, response.headers)
                self._save_body(response, destination, verifier, on_progress)
                return verifier.bytes_received

        try:
            return self._session.with_token(request, container, name)
        except ObjectNotFound:
            self._session.call(swiftclient.head_container, container)  # a missing container answers the same
            raise

    def resumable_get_part(
        self,
        container: str,
        name: str,
        layout: ObjectLayout,
        part: Part,
        write_at: WriteAt,
        on_progress: BytesCallback | None,
    ) -> Callable[[], None]:
        """Make the attempt to fetch a part; each call of it goes on where the one before broke off."""
        received = 0
        md5 = hashlib.md5(usedforsecurity=False)

        def request(token: AuthToken) -> None:
            nonlocal received
            byte_range = f"bytes={part.start + received}-{part.start + part.size - 1}"
            headers = {"X-Auth-Token": token.value, "Range": byte_range}
            if layout.etag:
                headers["If-Match"] = f'"{_normalize_etag(layout.etag)}"'
            with self._http_pool.get(token.storage_url, _url_path(container, name), headers) as response:
                if response.status != HTTPStatus.PARTIAL_CONTENT and (
                    part.start or received or part.size != layout.size
                ):
                    raise StoreError(f"The store gave all of {container}/{name} where a part was asked for")
                while chunk := response.read(min(CHUNK_SIZE, part.size - received)):
                    write_at(part.start + received, chunk)
                    md5.update(chunk)
                    received += len(chunk)
                    if on_progress is not None:
                        on_progress(len(chunk))
                if received < part.size:
                    raise http.client.IncompleteRead(b"", part.size - received)

        def attempt() -> None:
            nonlocal received, md5
            if received < part.size:
                try:
                    self._session.with_token(request, container, name)
                except StoreError as error:
                    if _http_status(error) in _REPLACED_STATUSES:
                        raise StoreError(
                            f"{container}/{name} was replaced while it was being fetched: fetch it again"
                        ) from error
                    raise
            if received != part.size or (part.md5 and md5.hexdigest() != part.md5):
                if on_progress is not None:
                    on_progress(-received)
                received, md5 = 0, hashlib.md5(usedforsecurity=False)
                raise Corrupted(f"A part of {container}/{name} did not arrive as it was stored")

        return attempt

    def read_range(self, container: str, name: str, start: int, end: int) -> bytes:
        """Fetch a stretch into memory."""

        def request(token: AuthToken) -> bytes:
            headers = {"X-Auth-Token": token.value, "Range": f"bytes={start}-{end - 1}"}
            with self._http_pool.get(token.storage_url, _url_path(container, name), headers) as response:
                data = response.read()
                return data if response.status == HTTPStatus.PARTIAL_CONTENT else data[start:end]

        if end <= start:
            return b""
        try:
            return self._session.with_token(request, container, name)
        except StoreError as error:
            if _http_status(error) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return b""  # it ends before
            raise

    def _make_verifier(self, container: str, name: str, headers: http.client.HTTPMessage) -> ChecksumVerifier:
        etag = _normalize_etag(headers.get("ETag", ""))
        if headers.get("X-Static-Large-Object", "").lower() != "true" and not headers.get("X-Object-Manifest"):
            with translate_parse_errors(self._session.auth_url):
                return ChecksumVerifier(
                    f"{container}/{name}", [Part(0, int(headers["Content-Length"]), _normalize_etag(headers["ETag"]))]
                )
        layout = self.get_layout(container, name)
        if layout.etag and _normalize_etag(layout.etag) != etag:
            raise Corrupted(f"{container}/{name} was replaced while it was being fetched")
        return ChecksumVerifier(f"{container}/{name}", layout.parts or [Part(0, layout.size)])

    def _save_body(
        self,
        response: http.client.HTTPResponse,
        destination: Path,
        verifier: ChecksumVerifier,
        on_progress: BytesCallback | None,
    ) -> None:
        received = 0
        try:
            with atomic_write(destination) as file:
                while chunk := self._read_chunk(response):
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

    def _read_chunk(self, response: http.client.HTTPResponse) -> bytes:
        # An OSError of the network must not pass for one of the disk.
        with translate_errors(self._session.auth_url):
            return response.read(CHUNK_SIZE)


_REPLACED_STATUSES = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}


class _ManifestRejected(StoreError):
    """A list of segments was not accepted."""


class _HashingBody:
    """Content whose MD5 is taken as it passes by."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.size = body.size
        self.md5 = ""

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Read them from the beginning, and `md5` at the end."""
        md5 = hashlib.md5(usedforsecurity=False)
        for chunk in self._body.chunks():
            md5.update(chunk)
            yield chunk
        self.md5 = md5.hexdigest()


class _HashingFileBody(_HashingBody):
    """The same of a file, which need not pass by itself."""

    def __init__(self, file: FileBody) -> None:
        super().__init__(file)
        self._file = file

    def sendfile(self, sock: socket.socket) -> Iterator[int]:
        """Send it, and `md5` at the end."""
        md5 = hashlib.md5(usedforsecurity=False)
        yield from self._file.sendfile(sock, md5.update)
        self.md5 = md5.hexdigest()


def _with_md5(body: Body) -> _HashingBody:
    return _HashingFileBody(body) if isinstance(body, FileBody) else _HashingBody(body)


def _normalize_etag(etag: str) -> str:
    return etag.strip('"').lower()


def _http_status(error: StoreError) -> int | None:
    cause = error.__cause__
    return cause.http_status if isinstance(cause, ClientException) else None


def _url_path(container: str, name: str) -> str:
    return f"/{quote(container)}/{quote(name)}"


def _parse_segments(listing: Iterable[Mapping[str, Any]]) -> Iterator[Part]:
    start = 0
    for entry in listing:
        # A stretch of a segment, or an object made of segments itself, has no MD5 of what it contributes.
        is_whole_object = not entry.get("range") and not entry.get("sub_slo")
        container, _, name = str(entry.get("name", "")).lstrip("/").partition("/")
        size = int(entry["bytes"])
        yield Part(start, size, str(entry["hash"]) if is_whole_object else None, (container, name))
        start += size


def _parse_slo_response(body: bytes) -> str:
    """Read the verdict on a list of segments: the ETag of what they have become."""
    answer = json.loads(body)
    status = str(answer.get("Response Status", ""))
    if not status.startswith("2"):
        code = int(status[:3])
        if code != HTTPStatus.BAD_REQUEST:
            raise ClientException(
                "join failed", http_status=code, http_reason=status[4:], http_response_content=body.decode()
            )
        raise _ManifestRejected(f"{status}: {answer.get('Errors') or answer.get('Response Body')}")
    return str(answer.get("Etag", ""))
