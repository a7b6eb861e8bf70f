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
from airflow_dlaas.storage.body import PIECE, Content, FilePart, Held
from airflow_dlaas.storage.checksums import Checker
from airflow_dlaas.storage.object_store import Advance, Part, Shape, Write
from airflow_dlaas.storage.placing import written_aside
from airflow_dlaas.storage.segments import joint_md5
from airflow_dlaas.storage.swift.auth import Grant, Transport
from airflow_dlaas.storage.swift.errors import in_our_words, making_sense
from airflow_dlaas.storage.swift.http_pool import Wire
from airflow_dlaas.storage.swift.session import Asking


class Haulage:
    """Thread-safe. Tokens and the meaning of refusals are `Asking`'s business, repeating is the caller's."""

    def __init__(self, asking: Asking, transport: Transport) -> None:
        self._asking = asking
        self._wire = Wire(transport)

    def close(self) -> None:
        """Close idle connections."""
        self._wire.close()

    def put(
        self,
        container: str,
        name: str,
        content: Content,
        md5: str | None,
        content_type: str | None,
        advance: Advance | None,
    ) -> str:
        """Store *content*; its MD5, which the store compares where it is known, and we do in any case."""
        headers = {"ETag": md5} if md5 else {}
        if content_type:
            headers["Content-Type"] = content_type
        hashed = content if md5 else _hashed(content)

        def work(grant: Grant) -> http.client.HTTPMessage:
            token = {"X-Auth-Token": grant.token, **headers}
            return self._wire.put(grant.url, _path(container, name), token, hashed, advance)[0]

        try:
            answer = self._asking.granted(work, container)  # what is not found then is the container
        except Corrupted as error:
            raise Corrupted(
                f"{container}/{name} was not stored: its MD5 on arrival was another than before it was sent. "
                f"Either the network damages data, or {content} was being written meanwhile"
            ) from error
        known = hashed.md5 if isinstance(hashed, _Hashed) else md5
        etag = _bare(answer.get("ETag", ""))
        if etag != known:
            raise Corrupted(f"{container}/{name} was stored with the MD5 {etag!r}, and {known} was sent")
        return etag

    def join(self, container: str, name: str, parts: Sequence[Part], content_type: str | None) -> None:
        """
        Store the list of segments as a static large object.

        The ETag makes a store that knows no such thing, and would keep the list itself, refuse it.
        """
        manifest = [
            {"path": "/{}/{}".format(*part.place), "etag": part.md5, "size_bytes": part.size}
            for part in parts
            if part.place
        ]
        joint = joint_md5(part.md5 or "" for part in parts)
        headers = {"ETag": joint, "Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        body = Held(json.dumps(manifest).encode())
        # With a heartbeat a store that takes its time over many segments is not taken for a silent one.
        path = f"{_path(container, name)}?multipart-manifest=put&heartbeat=on"

        def work(grant: Grant) -> str:
            token = {"X-Auth-Token": grant.token}
            answer, said = self._wire.put(grant.url, path, {**token, **headers}, body, None)
            with making_sense(self._asking.where):
                return _bare(_joined(said) if said else answer.get("ETag", ""))

        try:
            etag = self._asking.granted(work, container, name)
        except StoreError as error:
            if not isinstance(error, (Corrupted, _Rejected)) and _status(error) != HTTPStatus.BAD_REQUEST:
                raise
            raise Corrupted(
                f"{container}/{name} was not put together: a segment of it is gone or was replaced ({error}). "
                "Was the same file being uploaded by somebody else?"
            ) from error
        if etag != joint:
            raise Corrupted(f"{container}/{name} was put together with the ETag {etag!r}, and {joint} was meant")

    def look(self, container: str, name: str) -> Shape:
        """Ask for an object's size and ETag, and for the list of its segments where it has any."""
        headers = self._asking.ask(swiftclient.head_object, container, name)
        etag, size = headers.get("etag", ""), int(headers.get("content-length", 0))
        if joined := headers.get("x-object-manifest"):
            # Whatever begins with that name now. No ETag to insist on: Swift compares the empty manifest's.
            where, _, prefix = unquote(joined).partition("/")
            _, listed = self._asking.ask(swiftclient.get_container, where, prefix=prefix, full_listing=True)
            return Shape(size, "", None, tuple(_parts({**one, "name": f"{where}/{one['name']}"} for one in listed)))
        if headers.get("x-static-large-object", "").lower() != "true":
            with making_sense(self._asking.where):
                return Shape(size, etag, _bare(headers["etag"]))
        said, listing = self._asking.ask(
            swiftclient.get_object, container, name, query_string="multipart-manifest=get&format=json"
        )
        if said.get("x-static-large-object", "").lower() != "true":
            raise Corrupted(f"{container}/{name} was replaced while it was being looked at")
        with making_sense(self._asking.where):
            return Shape(size, etag, None, tuple(_parts(json.loads(listing))))

    def get(self, container: str, name: str, destination: Path, advance: Advance | None) -> int:
        """Fetch an object as a whole into a file that appears when it is verified."""

        def work(grant: Grant) -> int:
            token = {"X-Auth-Token": grant.token}
            with self._wire.get(grant.url, _path(container, name), token) as response:
                checker = self._checker(container, name, response.headers)
                self._save(response, destination, checker, advance)
                return checker.size

        try:
            return self._asking.granted(work, container, name)
        except ObjectNotFound:
            self._asking.ask(swiftclient.head_container, container)  # a missing container answers the same
            raise

    def fetching(
        self, container: str, name: str, shape: Shape, part: Part, write: Write, advance: Advance | None
    ) -> Callable[[], None]:
        """Make the attempt to fetch a part; each call of it goes on where the one before broke off."""
        done = 0
        md5 = hashlib.md5(usedforsecurity=False)

        def work(grant: Grant) -> None:
            nonlocal done
            wanted = f"bytes={part.start + done}-{part.start + part.size - 1}"
            headers = {"X-Auth-Token": grant.token, "Range": wanted}
            if shape.etag:
                headers["If-Match"] = f'"{_bare(shape.etag)}"'
            with self._wire.get(grant.url, _path(container, name), headers) as response:
                if response.status != HTTPStatus.PARTIAL_CONTENT and (part.start or done or part.size != shape.size):
                    raise StoreError(f"The store gave all of {container}/{name} where a part was asked for")
                while piece := response.read(min(PIECE, part.size - done)):
                    write(part.start + done, piece)
                    md5.update(piece)
                    done += len(piece)
                    if advance is not None:
                        advance(len(piece))
                if done < part.size:
                    raise http.client.IncompleteRead(b"", part.size - done)

        def attempt() -> None:
            nonlocal done, md5
            if done < part.size:
                try:
                    self._asking.granted(work, container, name)
                except StoreError as error:
                    if _status(error) in _REPLACED:
                        raise StoreError(
                            f"{container}/{name} was replaced while it was being fetched: fetch it again"
                        ) from error
                    raise
            if done != part.size or (part.md5 and md5.hexdigest() != part.md5):
                if advance is not None:
                    advance(-done)
                done, md5 = 0, hashlib.md5(usedforsecurity=False)
                raise Corrupted(f"A part of {container}/{name} did not arrive as it was stored")

        return attempt

    def read(self, container: str, name: str, start: int, end: int) -> bytes:
        """Fetch a stretch into memory."""

        def work(grant: Grant) -> bytes:
            headers = {"X-Auth-Token": grant.token, "Range": f"bytes={start}-{end - 1}"}
            with self._wire.get(grant.url, _path(container, name), headers) as response:
                data = response.read()
                return data if response.status == HTTPStatus.PARTIAL_CONTENT else data[start:end]

        if end <= start:
            return b""
        try:
            return self._asking.granted(work, container, name)
        except StoreError as error:
            if _status(error) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return b""  # it ends before
            raise

    def _checker(self, container: str, name: str, headers: http.client.HTTPMessage) -> Checker:
        etag = _bare(headers.get("ETag", ""))
        if headers.get("X-Static-Large-Object", "").lower() != "true" and not headers.get("X-Object-Manifest"):
            with making_sense(self._asking.where):
                return Checker(f"{container}/{name}", [Part(0, int(headers["Content-Length"]), _bare(headers["ETag"]))])
        shape = self.look(container, name)
        if shape.etag and _bare(shape.etag) != etag:
            raise Corrupted(f"{container}/{name} was replaced while it was being fetched")
        return Checker(f"{container}/{name}", shape.parts or [Part(0, shape.size)])

    def _save(
        self,
        response: http.client.HTTPResponse,
        destination: Path,
        checker: Checker,
        advance: Advance | None,
    ) -> None:
        done = 0
        try:
            with written_aside(destination) as file:
                while piece := self._read(response):
                    file.write(piece)
                    checker.take(piece)
                    done += len(piece)
                    if advance is not None:
                        advance(len(piece))
                checker.finish()
        except BaseException:
            if advance is not None:
                advance(-done)
            raise

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        # An OSError of the network must not pass for one of the disk.
        with in_our_words(self._asking.where):
            return response.read(PIECE)


_REPLACED = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}


class _Rejected(StoreError):
    """A list of segments was not accepted."""


class _Hashed:
    """Content whose MD5 is taken as it passes by."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.size = content.size
        self.md5 = ""

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Read them from the beginning, and `md5` at the end."""
        md5 = hashlib.md5(usedforsecurity=False)
        for piece in self._content.pieces():
            md5.update(piece)
            yield piece
        self.md5 = md5.hexdigest()


class _HashedFile(_Hashed):
    """The same of a file, which need not pass by itself."""

    def __init__(self, file: FilePart) -> None:
        super().__init__(file)
        self._file = file

    def send_over(self, line: socket.socket) -> Iterator[int]:
        """Send it, and `md5` at the end."""
        md5 = hashlib.md5(usedforsecurity=False)
        yield from self._file.send_over(line, md5.update)
        self.md5 = md5.hexdigest()


def _hashed(content: Content) -> _Hashed:
    return _HashedFile(content) if isinstance(content, FilePart) else _Hashed(content)


def _bare(etag: str) -> str:
    return etag.strip('"').lower()


def _status(error: StoreError) -> int | None:
    cause = error.__cause__
    return cause.http_status if isinstance(cause, ClientException) else None


def _path(container: str, name: str) -> str:
    return f"/{quote(container)}/{quote(name)}"


def _parts(listing: Iterable[Mapping[str, Any]]) -> Iterator[Part]:
    start = 0
    for entry in listing:
        # A stretch of a segment, or an object made of segments itself, has no MD5 of what it contributes.
        plain = not entry.get("range") and not entry.get("sub_slo")
        container, _, name = str(entry.get("name", "")).lstrip("/").partition("/")
        size = int(entry["bytes"])
        yield Part(start, size, str(entry["hash"]) if plain else None, (container, name))
        start += size


def _joined(said: bytes) -> str:
    """Read the verdict on a list of segments: the ETag of what they have become."""
    answer = json.loads(said)
    status = str(answer.get("Response Status", ""))
    if not status.startswith("2"):
        code = int(status[:3])
        if code != HTTPStatus.BAD_REQUEST:
            raise ClientException(
                "join failed", http_status=code, http_reason=status[4:], http_response_content=said.decode()
            )
        raise _Rejected(f"{status}: {answer.get('Errors') or answer.get('Response Body')}")
    return str(answer.get("Etag", ""))
