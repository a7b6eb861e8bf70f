"""`ObjectStore` over OpenStack Swift: swiftclient asks about accounts and containers, `ObjectRequests` moves bytes."""

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

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.store_names import (
    has_dot_component,
    require_container_name,
    require_list_prefix,
    require_new_object_name,
    require_object_name,
)
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import ObjectNotFound, StoreError, StoreUnreachable
from airflow_dlaas.storage.body import Body, as_body, md5_of
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, StoredObject, StoreLimits, WriteAt
from airflow_dlaas.storage.swift.auth import AuthToken
from airflow_dlaas.storage.swift.errors import translate_parse_errors
from airflow_dlaas.storage.swift.http_options import HttpOptions
from airflow_dlaas.storage.swift.object_requests import ObjectRequests
from airflow_dlaas.storage.swift.session import SwiftSession

Names = list[str]

Page = list[dict[str, Any]]
"""A page of a listing, as Swift's JSON has it."""

MAX_BULK_DELETE = 1000
"""Objects deleted by one request at the most: it is answered when all are gone, at about 200 a second."""

FOLDER_CONTENT_TYPE = "application/directory"
"""The content type of objects that only mark a folder, by convention of Swift's tools."""


class SwiftStore:
    """
    One account of a Swift; as many connections as there are threads asking at the same time, and one token.

    Use it as a context manager, or call `close`. Opening it asks nobody; the first verb authenticates.
    """

    def __init__(self, connection: StoreConnection, http_options: HttpOptions, retry_policy: RetryPolicy) -> None:
        self._connection = connection
        self._session = SwiftSession(connection, http_options, retry_policy)
        self._call = self._session.call
        self._with_retry = self._session.with_retry
        self._object_requests = ObjectRequests(self._session, http_options)
        self._lock = threading.Lock()
        self._limits: StoreLimits | None = None

    @classmethod
    def open(
        cls,
        connection: StoreConnection,
        *,
        verify: bool | str = True,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        require_allowed: Callable[[str], None] | None = None,
        retry_policy: RetryPolicy = RetryPolicy(),  # noqa: B008  (frozen)
    ) -> Self:
        """
        Make a store of *connection*; nothing is sent yet.

        :param verify: whether to check certificates, or the path of the authorities to trust.
        :param connect_timeout: seconds to reach the server; *read_timeout*: seconds it may be silent.
        :param require_allowed: raises `StoreNotAllowed` for a storage URL that must not be called; by default every
            URL that a login answers with is used.
        """
        return cls(connection, HttpOptions(verify, connect_timeout, read_timeout, require_allowed), retry_policy)

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
        self._session.close()
        self._object_requests.close()

    # ---- the verbs: see ObjectStore for what each guarantees

    def check(self, container: str) -> None:
        require_container_name(container)
        self._call(swiftclient.head_container, container)

    def limits(self) -> StoreLimits:
        with self._lock:
            if self._limits is None:
                self._limits = _parse_limits(self._with_retry(self._session.capabilities))
            return self._limits

    def list_containers(self) -> Sequence[str]:
        names: Names = []
        while page := self._with_retry(partial(self._list_containers_page, names[-1] if names else "")):
            with translate_parse_errors(self._session.auth_url):
                names += [one["name"] for one in page]
        return names

    def create_container(self, name: str) -> None:
        require_container_name(name)
        self._with_retry(partial(self._call, swiftclient.put_container, name))

    def delete_container(self, name: str) -> None:
        require_container_name(name)
        self._with_retry(partial(self._call, swiftclient.delete_container, name))

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        _require_valid_prefix(container, prefix)
        marker = ""
        while page := self._with_retry(partial(self._list_objects_page, container, prefix, marker)):
            with translate_parse_errors(self._session.auth_url):
                found = [_parse_entry(entry) for entry in page]
            yield from found
            if self._limits is not None and len(page) < self._limits.page_size:
                return
            if found[-1].name <= marker:
                raise StoreError(f"The object store at {self._session.auth_url} lists {container} without end")
            marker = found[-1].name

    def list_dir(self, container: str, folder: str = "", *, limit: int = 0) -> Iterator[StoredObject | str]:
        _require_valid_prefix(container, folder)
        marker = ""
        while page := self._with_retry(
            partial(self._list_objects_page, container, folder, marker, delimiter="/", limit=limit)
        ):
            with translate_parse_errors(self._session.auth_url):
                found = [entry.get("subdir") or _parse_entry(entry) for entry in page]
                last = str(page[-1].get("subdir") or page[-1]["name"])
            yield from found
            if limit or (self._limits is not None and len(page) < self._limits.page_size):
                return
            if last <= marker:
                raise StoreError(f"The object store at {self._session.auth_url} lists {container} without end")
            marker = last

    def stat(self, container: str, name: str) -> StoredObject:
        _require_valid_name(container, name)
        headers = self._with_retry(partial(self._call, swiftclient.head_object, container, name))
        with translate_parse_errors(self._session.auth_url):
            return _parse_entry(_entry_from_headers(name, headers))

    def put(
        self,
        container: str,
        name: str,
        source: Path | bytes | Body,
        *,
        md5: str | None = None,
        content_type: str | None = None,
        on_progress: BytesCallback | None = None,
    ) -> str:
        _require_valid_new_name(container, name)
        given_md5 = [md5] if md5 else []

        def attempt() -> str:
            # Looked at and hashed anew for another attempt: the file may have been written meanwhile.
            body = as_body(source)
            return self._object_requests.put(
                container, name, body, given_md5.pop() if given_md5 else md5_of(body), content_type, on_progress
            )

        return self._with_retry(attempt)

    def put_segment(self, container: str, name: str, body: Body, *, on_progress: BytesCallback | None = None) -> str:
        _require_valid_new_name(container, name)
        return self._with_retry(partial(self._object_requests.put, container, name, body, None, None, on_progress))

    def complete_multipart(
        self, container: str, name: str, parts: Sequence[Part], *, content_type: str | None = None
    ) -> None:
        _require_valid_new_name(container, name)
        for part in parts:
            if part.segment:
                _require_valid_name(*part.segment)
        self._with_retry(partial(self._object_requests.complete_multipart, container, name, parts, content_type))

    def get_layout(self, container: str, name: str) -> ObjectLayout:
        _require_valid_name(container, name)
        return self._with_retry(partial(self._object_requests.get_layout, container, name))

    def get(self, container: str, name: str, destination: Path, *, on_progress: BytesCallback | None = None) -> int:
        _require_valid_name(container, name)
        return self._with_retry(partial(self._object_requests.get, container, name, destination, on_progress))

    def get_part(
        self,
        container: str,
        name: str,
        layout: ObjectLayout,
        part: Part,
        write_at: WriteAt,
        *,
        on_progress: BytesCallback | None = None,
    ) -> None:
        _require_valid_name(container, name)
        self._with_retry(self._object_requests.resumable_get_part(container, name, layout, part, write_at, on_progress))

    def read_range(self, container: str, name: str, start: int, end: int) -> bytes:
        _require_valid_name(container, name)
        return self._with_retry(partial(self._object_requests.read_range, container, name, start, end))

    def copy(self, container: str, name: str, to_container: str, to_name: str) -> None:
        _require_valid_name(container, name)
        _require_valid_new_name(to_container, to_name)
        self._with_retry(partial(self._copy, container, name, to_container, to_name))

    def delete(self, container: str, names: Iterable[str]) -> None:
        require_container_name(container)
        remaining = [names] if isinstance(names, str) else list(names)
        dotted = [one for one in remaining if has_dot_component(one)]
        for name in remaining:
            if not has_dot_component(name):
                require_object_name(name, "names")
        batch_size = min(self.limits().max_deletes, MAX_BULK_DELETE) if len(remaining) > 1 or dotted else 0
        if dotted and not batch_size:
            require_object_name(dotted[0], "names")  # in an address it would name another object
        while batch_size and remaining:
            batch, remaining = remaining[:batch_size], remaining[batch_size:]
            self._with_retry(partial(self._bulk_delete, container, batch))
        for name in remaining:
            self._with_retry(partial(self._delete, container, name))

    # ---- one attempt each

    def _list_containers_page(self, marker: str) -> Page:
        page: Page = self._call(swiftclient.get_account, marker=marker)[1]
        return page

    def _list_objects_page(self, container: str, prefix: str, marker: str, **options: Any) -> Page:
        page: Page = self._call(swiftclient.get_container, container, prefix=prefix, marker=marker, **options)[1]
        return page

    def _copy(self, container: str, name: str, to_container: str, to_name: str) -> None:
        try:
            self._call(swiftclient.copy_object, container, name, destination=f"/{to_container}/{to_name}")
        except ObjectNotFound:
            self._call(swiftclient.head_container, to_container)  # a missing destination answers the same
            raise

    def _delete(self, container: str, name: str) -> None:
        with suppress(ObjectNotFound):
            self._call(swiftclient.delete_object, container, name)

    def _bulk_delete(self, container: str, names: Names) -> None:
        body = "\n".join(quote(f"/{container}/{name}") for name in names).encode()
        headers = {"Content-Type": "text/plain", "Accept": "application/json"}

        def request(token: AuthToken) -> bytes:
            # Answered with 200 before it is done: what came of it stands at the end of the body.
            with self._session.swiftclient_pool.connection(token.storage_url) as connection:
                response_body: bytes = swiftclient.post_account(
                    token.storage_url, token.value, headers, http_conn=connection, query_string="bulk-delete", data=body
                )[1]
                return response_body

        response_body = self._session.with_token(request, container)
        with translate_parse_errors(self._session.auth_url):
            answer = json.loads(response_body)
            failed = [f"{unquote(name)} ({status})" for name, status in answer.get("Errors", [])]
            status = str(answer.get("Response Status", ""))
        if failed or not status.startswith("2"):
            is_transient = status.startswith("5") or (bool(failed) and all(" (5" in one for one in failed))
            kind = StoreUnreachable if is_transient else StoreError
            raise kind(f"Of {container} these were not deleted: {', '.join(failed[:5]) or status}")


def _require_valid_prefix(container: str, prefix: str) -> None:
    require_container_name(container)
    require_list_prefix(prefix)


def _require_valid_name(container: str, name: str) -> None:
    require_container_name(container)
    require_object_name(name)


def _require_valid_new_name(container: str, name: str) -> None:
    require_container_name(container)
    require_new_object_name(name)


def _parse_entry(entry: dict[str, Any]) -> StoredObject:
    name, size = entry["name"], int(entry["bytes"])
    slo_etag = entry.get("slo_etag")
    # For an object made of segments `hash` is that of its manifest.
    md5 = None if slo_etag else entry.get("hash")
    modified = datetime.fromisoformat(entry["last_modified"]).replace(tzinfo=timezone.utc)
    is_folder_marker = not size and (
        name.endswith("/") or entry.get("content_type", "").startswith(FOLDER_CONTENT_TYPE)
    )
    return StoredObject(name, size, md5, modified, is_folder_marker, slo_etag.strip('"') if slo_etag else None)


def _entry_from_headers(name: str, headers: Mapping[str, str]) -> dict[str, Any]:
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


def _parse_limits(info: Any) -> StoreLimits:
    defaults = StoreLimits()
    try:
        return StoreLimits(
            max_object_size=int(info.get("swift", {}).get("max_file_size", defaults.max_object_size)),
            max_segments=int(info.get("slo", {}).get("max_manifest_segments", 0)),
            max_deletes=int(info.get("bulk_delete", {}).get("max_deletes_per_request", 0)),
            page_size=int(info.get("swift", {}).get("container_listing_limit", 0)),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise StoreError("What the object store says of itself (/info) is not what a Swift says") from error
