"""`ObjectStore` over OpenStack Swift. The requests are swiftclient's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from swiftclient import client as swiftclient
from typing_extensions import Self

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.errors import Corrupted, ObjectNotFound
from airflow_dlaas.storage.access import Transport
from airflow_dlaas.storage.asking import Asking, Line
from airflow_dlaas.storage.faults import in_our_words
from airflow_dlaas.storage.objects import Advance, StoredObject
from airflow_dlaas.storage.patience import Patience
from airflow_dlaas.storage.placing import written_aside
from airflow_dlaas.storage.reading import PIECE, Body, md5_of, size_of

Names = list[str]

Page = list[dict[str, Any]]
"""A page of a listing, as Swift's JSON has it."""

FOLDER_TYPE = "application/directory"
"""The content type of objects that only mark a folder, by convention of Swift's tools."""


class SwiftStore:
    """
    One account of a Swift; as many connections as there are threads asking at the same time, and one token.

    Use it as a context manager, or call `close`. Opening it asks nobody; the first verb authenticates.
    """

    def __init__(self, connection: StoreConnection, transport: Transport, patience: Patience) -> None:
        self._connection = connection
        self._asking = Asking(connection, transport, patience)
        self._ask = self._asking.ask
        self._patiently = self._asking.patiently

    @classmethod
    def open(
        cls,
        connection: StoreConnection,
        *,
        verify: bool | str = True,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        patience: Patience = Patience(),  # noqa: B008  (frozen)
    ) -> Self:
        """
        Make a store of *connection*; nothing is sent yet.

        :param verify: whether to check certificates, or the path of the authorities to trust.
        :param connect_timeout: seconds to reach the server; *read_timeout*: seconds it may be silent.
        """
        return cls(connection, Transport(verify, connect_timeout, read_timeout), patience)

    def __repr__(self) -> str:
        return f"<SwiftStore {self._connection.user} at {self._connection.auth_url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections. A store may be used again after it."""
        self._asking.close()

    # ---- the verbs: see ObjectStore for what each guarantees

    def check(self, container: str) -> None:
        self._ask(swiftclient.head_container, container)

    def containers(self) -> Sequence[str]:
        names: Names = []
        while page := self._patiently(partial(self._account_page, names[-1] if names else "")):
            names += [one["name"] for one in page]
        return names

    def create_container(self, name: str) -> None:
        self._patiently(partial(self._ask, swiftclient.put_container, name))

    def list(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        marker = ""
        # Until an empty page: what a full one holds is each cluster's own setting.
        while page := self._patiently(partial(self._page, container, prefix, marker)):
            for entry in page:
                yield _stored(entry)
            marker = page[-1]["name"]

    def put(
        self,
        container: str,
        name: str,
        source: Path | bytes,
        *,
        md5: str | None = None,
        content_type: str | None = None,
        advance: Advance | None = None,
    ) -> str:
        known = [md5] if md5 else []

        def attempt() -> str:
            # Hashed anew for another attempt: the file may have been written meanwhile.
            return self._put(container, name, source, known.pop() if known else md5_of(source), content_type, advance)

        return self._patiently(attempt)

    def get(self, container: str, name: str, destination: Path, *, advance: Advance | None = None) -> int:
        return self._patiently(partial(self._get, container, name, destination, advance))

    def delete(self, container: str, names: Iterable[str]) -> None:
        for name in names:
            self._patiently(partial(self._delete, container, name))

    # ---- one attempt each

    def _account_page(self, marker: str) -> Page:
        page: Page = self._ask(swiftclient.get_account, marker=marker)[1]
        return page

    def _page(self, container: str, prefix: str, marker: str) -> Page:
        page: Page = self._ask(swiftclient.get_container, container, prefix=prefix, marker=marker)[1]
        return page

    def _put(
        self,
        container: str,
        name: str,
        source: Path | bytes,
        md5: str,
        content_type: str | None,
        advance: Advance | None,
    ) -> str:
        size = size_of(source)

        def put(url: str, token: str, container: str, http_conn: Line) -> str:
            with Body(source, size, advance) as body:
                answer: str = swiftclient.put_object(
                    url,
                    token,
                    container,
                    name,
                    contents=body if size else None,  # an empty body would go out as chunks
                    content_length=size,
                    etag=md5,
                    content_type=content_type,
                    http_conn=http_conn,
                )
                return answer

        try:
            etag = self._ask(put, container)
        except Corrupted as error:
            raise Corrupted(
                f"{container}/{name} was not stored: its MD5 on arrival was another than before it was sent. "
                f"Either the network damages data, or {_called(source)} was being written meanwhile"
            ) from error
        if etag.strip('"').lower() != md5:
            raise Corrupted(f"{container}/{name} was stored with the MD5 {etag!r}, and {md5} was sent")
        return md5

    def _get(self, container: str, name: str, destination: Path, advance: Advance | None) -> int:
        def fetch(url: str, token: str, container: str, name: str, http_conn: Line) -> int:
            return self._fetch(url, token, container, name, http_conn, destination, advance)

        try:
            return self._ask(fetch, container, name)
        except ObjectNotFound:
            self.check(container)  # a missing container answers the same
            raise

    def _fetch(
        self,
        url: str,
        token: str,
        container: str,
        name: str,
        line: Line,
        destination: Path,
        advance: Advance | None,
    ) -> int:
        headers, body = swiftclient.get_object(url, token, container, name, http_conn=line, resp_chunk_size=PIECE)
        md5, size = hashlib.md5(usedforsecurity=False), 0
        try:
            with written_aside(destination) as file:
                # An OSError of the network must not pass for one of the disk.
                while piece := self._read(body):
                    file.write(piece)
                    md5.update(piece)
                    size += len(piece)
                    if advance:
                        advance(len(piece))
                _compare(f"{container}/{name}", headers, size, md5.hexdigest())
        except BaseException:
            if advance:
                advance(-size)
            raise
        return size

    def _read(self, body: Any) -> bytes:
        with in_our_words(self._connection.auth_url):
            piece: bytes = body.read(PIECE)
            return piece

    def _delete(self, container: str, name: str) -> None:
        with suppress(ObjectNotFound):
            self._ask(swiftclient.delete_object, container, name)


def _stored(entry: dict[str, Any]) -> StoredObject:
    name, size = entry["name"], int(entry["bytes"])
    # For an object made of segments `hash` is that of its manifest.
    md5 = None if "slo_etag" in entry else entry.get("hash")
    modified = datetime.fromisoformat(entry["last_modified"]).replace(tzinfo=timezone.utc)
    marks_folder = not size and (name.endswith("/") or entry.get("content_type", "").startswith(FOLDER_TYPE))
    return StoredObject(name, size, md5, modified, marks_folder)


def _compare(what: str, headers: dict[str, str], size: int, md5: str) -> None:
    length = headers.get("content-length")
    if length is not None and int(length) != size:
        raise Corrupted(f"{what} ended after {size} of {length} bytes")
    if "x-static-large-object" in headers or "x-object-manifest" in headers:
        return  # made of segments: its ETag is no MD5 of the content
    etag = headers.get("etag", "").strip('"').lower()
    if etag and etag != md5:
        raise Corrupted(f"{what} arrived with the MD5 {md5}, and {etag} was stored")


def _called(source: Path | bytes) -> str:
    return str(source) if isinstance(source, Path) else "the content"
