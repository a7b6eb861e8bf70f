"""`ObjectStore` over OpenStack Swift: swiftclient asks about accounts and containers, `Haulage` moves bytes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote

from swiftclient import client as swiftclient
from typing_extensions import Self

from airflow_dlaas.contract.store_names import (
    has_dot_step,
    require_container_name,
    require_list_prefix,
    require_new_object_name,
    require_object_name,
)
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import ObjectNotFound, StoreError, StoreUnreachable
from airflow_dlaas.storage.body import Content, content_of, md5_of
from airflow_dlaas.storage.object_store import Advance, Limits, Part, Shape, StoredObject, Write
from airflow_dlaas.storage.patience import Patience
from airflow_dlaas.storage.swift.auth import Grant, Transport
from airflow_dlaas.storage.swift.errors import making_sense
from airflow_dlaas.storage.swift.object_requests import Haulage
from airflow_dlaas.storage.swift.session import Asking

Names = list[str]

Page = list[dict[str, Any]]
"""A page of a listing, as Swift's JSON has it."""

AT_ONCE = 1000
"""Objects deleted by one request at the most: it is answered when all are gone, at about 200 a second."""

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
        self._haulage = Haulage(self._asking, transport)
        self._lock = threading.Lock()
        self._limits: Limits | None = None

    @classmethod
    def open(
        cls,
        connection: StoreConnection,
        *,
        verify: bool | str = True,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        require_allowed: Callable[[str], None] | None = None,
        patience: Patience = Patience(),  # noqa: B008  (frozen)
    ) -> Self:
        """
        Make a store of *connection*; nothing is sent yet.

        :param verify: whether to check certificates, or the path of the authorities to trust.
        :param connect_timeout: seconds to reach the server; *read_timeout*: seconds it may be silent.
        :param require_allowed: raises `StoreNotAllowed` for a storage URL that must not be called; by default every
            URL that a login answers with is used.
        """
        return cls(connection, Transport(verify, connect_timeout, read_timeout, require_allowed), patience)

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
        self._haulage.close()

    # ---- the verbs: see ObjectStore for what each guarantees

    def check(self, container: str) -> None:
        require_container_name(container)
        self._ask(swiftclient.head_container, container)

    def limits(self) -> Limits:
        with self._lock:
            if self._limits is None:
                self._limits = _limits(self._patiently(self._asking.capabilities))
            return self._limits

    def containers(self) -> Sequence[str]:
        names: Names = []
        while page := self._patiently(partial(self._account_page, names[-1] if names else "")):
            with making_sense(self._asking.where):
                names += [one["name"] for one in page]
        return names

    def create_container(self, name: str) -> None:
        require_container_name(name)
        self._patiently(partial(self._ask, swiftclient.put_container, name))

    def delete_container(self, name: str) -> None:
        require_container_name(name)
        self._patiently(partial(self._ask, swiftclient.delete_container, name))

    def list(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        _require_listing(container, prefix)
        marker = ""
        while page := self._patiently(partial(self._page, container, prefix, marker)):
            with making_sense(self._asking.where):
                found = [_stored(entry) for entry in page]
            yield from found
            if self._limits is not None and len(page) < self._limits.page:
                return
            if found[-1].name <= marker:
                raise StoreError(f"The object store at {self._asking.where} lists {container} without end")
            marker = found[-1].name

    def browse(self, container: str, folder: str = "", *, most: int = 0) -> Iterator[StoredObject | str]:
        _require_listing(container, folder)
        marker = ""
        while page := self._patiently(partial(self._page, container, folder, marker, delimiter="/", limit=most)):
            with making_sense(self._asking.where):
                found = [entry.get("subdir") or _stored(entry) for entry in page]
                last = str(page[-1].get("subdir") or page[-1]["name"])
            yield from found
            if most or (self._limits is not None and len(page) < self._limits.page):
                return
            if last <= marker:
                raise StoreError(f"The object store at {self._asking.where} lists {container} without end")
            marker = last

    def stat(self, container: str, name: str) -> StoredObject:
        _require_object(container, name)
        headers = self._patiently(partial(self._ask, swiftclient.head_object, container, name))
        with making_sense(self._asking.where):
            return _stored(_as_listed(name, headers))

    def put(
        self,
        container: str,
        name: str,
        source: Path | bytes | Content,
        *,
        md5: str | None = None,
        content_type: str | None = None,
        advance: Advance | None = None,
    ) -> str:
        _require_new_object(container, name)
        known = [md5] if md5 else []

        def attempt() -> str:
            # Looked at and hashed anew for another attempt: the file may have been written meanwhile.
            content = content_of(source)
            return self._haulage.put(
                container, name, content, known.pop() if known else md5_of(content), content_type, advance
            )

        return self._patiently(attempt)

    def put_segment(self, container: str, name: str, content: Content, *, advance: Advance | None = None) -> str:
        _require_new_object(container, name)
        return self._patiently(partial(self._haulage.put, container, name, content, None, None, advance))

    def join(self, container: str, name: str, parts: Sequence[Part], *, content_type: str | None = None) -> None:
        _require_new_object(container, name)
        for part in parts:
            if part.place:
                _require_object(*part.place)
        self._patiently(partial(self._haulage.join, container, name, parts, content_type))

    def look(self, container: str, name: str) -> Shape:
        _require_object(container, name)
        return self._patiently(partial(self._haulage.look, container, name))

    def get(self, container: str, name: str, destination: Path, *, advance: Advance | None = None) -> int:
        _require_object(container, name)
        return self._patiently(partial(self._haulage.get, container, name, destination, advance))

    def get_part(
        self, container: str, name: str, shape: Shape, part: Part, write: Write, *, advance: Advance | None = None
    ) -> None:
        _require_object(container, name)
        self._patiently(self._haulage.fetching(container, name, shape, part, write, advance))

    def read(self, container: str, name: str, start: int, end: int) -> bytes:
        _require_object(container, name)
        return self._patiently(partial(self._haulage.read, container, name, start, end))

    def copy(self, container: str, name: str, to: str, to_name: str) -> None:
        _require_object(container, name)
        _require_new_object(to, to_name)
        self._patiently(partial(self._copy, container, name, to, to_name))

    def delete(self, container: str, names: Iterable[str]) -> None:
        require_container_name(container)
        left = [names] if isinstance(names, str) else list(names)
        dotted = [one for one in left if has_dot_step(one)]
        for name in left:
            if not has_dot_step(name):
                require_object_name(name, "names")
        at_once = min(self.limits().deletions, AT_ONCE) if len(left) > 1 or dotted else 0
        if dotted and not at_once:
            require_object_name(dotted[0], "names")  # in an address it would name another object
        while at_once and left:
            now, left = left[:at_once], left[at_once:]
            self._patiently(partial(self._delete_many, container, now))
        for name in left:
            self._patiently(partial(self._delete, container, name))

    # ---- one attempt each

    def _account_page(self, marker: str) -> Page:
        page: Page = self._ask(swiftclient.get_account, marker=marker)[1]
        return page

    def _page(self, container: str, prefix: str, marker: str, **more: Any) -> Page:
        page: Page = self._ask(swiftclient.get_container, container, prefix=prefix, marker=marker, **more)[1]
        return page

    def _copy(self, container: str, name: str, to: str, to_name: str) -> None:
        try:
            self._ask(swiftclient.copy_object, container, name, destination=f"/{to}/{to_name}")
        except ObjectNotFound:
            self._ask(swiftclient.head_container, to)  # a missing destination answers the same
            raise

    def _delete(self, container: str, name: str) -> None:
        with suppress(ObjectNotFound):
            self._ask(swiftclient.delete_object, container, name)

    def _delete_many(self, container: str, names: Names) -> None:
        body = "\n".join(quote(f"/{container}/{name}") for name in names).encode()
        headers = {"Content-Type": "text/plain", "Accept": "application/json"}

        def ask(grant: Grant) -> bytes:
            # Answered with 200 before it is done: what came of it stands at the end of the body.
            with self._asking.line(grant.url) as line:
                said: bytes = swiftclient.post_account(
                    grant.url, grant.token, headers, http_conn=line, query_string="bulk-delete", data=body
                )[1]
                return said

        said = self._asking.granted(ask, container)
        with making_sense(self._asking.where):
            answer = json.loads(said)
            failed = [f"{unquote(name)} ({status})" for name, status in answer.get("Errors", [])]
            status = str(answer.get("Response Status", ""))
        if failed or not status.startswith("2"):
            passing = status.startswith("5") or (bool(failed) and all(" (5" in one for one in failed))
            kind = StoreUnreachable if passing else StoreError
            raise kind(f"Of {container} these were not deleted: {', '.join(failed[:5]) or status}")


def _require_listing(container: str, prefix: str) -> None:
    require_container_name(container)
    require_list_prefix(prefix)


def _require_object(container: str, name: str) -> None:
    require_container_name(container)
    require_object_name(name)


def _require_new_object(container: str, name: str) -> None:
    require_container_name(container)
    require_new_object_name(name)


def _stored(entry: dict[str, Any]) -> StoredObject:
    name, size = entry["name"], int(entry["bytes"])
    joint = entry.get("slo_etag")
    # For an object made of segments `hash` is that of its manifest.
    md5 = None if joint else entry.get("hash")
    modified = datetime.fromisoformat(entry["last_modified"]).replace(tzinfo=timezone.utc)
    marks_folder = not size and (name.endswith("/") or entry.get("content_type", "").startswith(FOLDER_TYPE))
    return StoredObject(name, size, md5, modified, marks_folder, joint.strip('"') if joint else None)


def _as_listed(name: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """What a listing would say of an object that answered *headers*."""
    etag = headers["etag"].strip('"').lower()
    return {
        "name": name,
        "bytes": headers["content-length"],
        "hash": None if "x-object-manifest" in headers else etag,
        "slo_etag": etag if headers.get("x-static-large-object", "").lower() == "true" else None,
        "last_modified": datetime.fromtimestamp(float(headers["x-timestamp"]), timezone.utc).isoformat(),
        "content_type": headers.get("content-type", ""),
    }


def _limits(said: Any) -> Limits:
    usual = Limits()
    try:
        return Limits(
            object_size=int(said.get("swift", {}).get("max_file_size", usual.object_size)),
            segments=int(said.get("slo", {}).get("max_manifest_segments", 0)),
            deletions=int(said.get("bulk_delete", {}).get("max_deletes_per_request", 0)),
            page=int(said.get("swift", {}).get("container_listing_limit", 0)),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise StoreError("What the object store says of itself (/info) is not what a Swift says") from error
