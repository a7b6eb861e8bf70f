"""One account of a Swift: its containers and the names, sizes and ETags of its objects."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote

from swiftclient import client as swiftclient

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.store_names import (
    has_dot_component,
    require_container_name,
    require_list_prefix,
    require_new_object_name,
    require_object_name,
)
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import ObjectNotFound, StoreError
from airflow_dlaas.storage.body import Body, hashing_body
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, StoredObject, StoreLimits
from airflow_dlaas.storage.swift.auth import AuthToken
from airflow_dlaas.storage.swift.errors import translate_parse_errors
from airflow_dlaas.storage.swift.object_layout import read_layout
from airflow_dlaas.storage.swift.object_upload import ManifestUpload, ObjectUpload
from airflow_dlaas.storage.swift.responses import parse_entry, parse_head, parse_limits, require_deleted
from airflow_dlaas.storage.swift.session import SwiftSession

Names = list[str]

Page = list[dict[str, Any]]
"""A page of a listing, as it is in Swift's JSON."""

MAX_BULK_DELETE = 1000
"""Objects that one request deletes at most: its response ends when all are deleted, at about 200 a second."""


class SwiftAccount:
    """The methods of `ObjectStore` that move no content; it has their guarantees."""

    def __init__(self, connection: SwiftStoreConnection, http_options: HttpOptions, retry_policy: RetryPolicy) -> None:
        self._connection = connection
        self.session = SwiftSession(connection, http_options, retry_policy)
        """Sends the requests."""
        self._lock = threading.Lock()
        self._limits: StoreLimits | None = None

    @property
    def account_url(self) -> str:
        """The storage URL of the account; the first call logs in."""
        return self.session.storage_url()

    def check(self, container: str) -> None:
        require_container_name(container)
        self.session.call_once(swiftclient.head_container, container)

    def limits(self) -> StoreLimits:
        with self._lock:
            if self._limits is None:
                self._limits = parse_limits(self.session.capabilities())
            return self._limits

    def list_containers(self) -> Sequence[str]:
        names: Names = []
        while page := self._list_containers_page(names[-1] if names else ""):
            with translate_parse_errors(self.session.auth_url):
                names += [one["name"] for one in page]
        return names

    def create_container(self, name: str) -> None:
        require_container_name(name)
        self.session.call(f"Creating container {name}", swiftclient.put_container, name)

    def delete_container(self, name: str) -> None:
        require_container_name(name)
        self.session.call(f"Deleting container {name}", swiftclient.delete_container, name)

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        _require_valid_prefix(container, prefix)
        marker = ""
        while page := self._list_objects_page(container, prefix, marker):
            with translate_parse_errors(self.session.auth_url):
                found = [parse_entry(entry) for entry in page]
            yield from found
            if self._limits is not None and len(page) < self._limits.page_size:
                return
            if found[-1].name <= marker:
                raise StoreError(f"The object store at {self.session.auth_url} lists {container} without end")
            marker = found[-1].name

    def list_dir(self, container: str, folder: str = "", *, limit: int = 0) -> Iterator[StoredObject | str]:
        _require_valid_prefix(container, folder)
        marker = ""
        while page := self._list_objects_page(container, folder, marker, delimiter="/", limit=limit):
            with translate_parse_errors(self.session.auth_url):
                found = [entry.get("subdir") or parse_entry(entry) for entry in page]
                last = str(page[-1].get("subdir") or page[-1]["name"])
            yield from found
            if limit or (self._limits is not None and len(page) < self._limits.page_size):
                return
            if last <= marker:
                raise StoreError(f"The object store at {self.session.auth_url} lists {container} without end")
            marker = last

    def stat(self, container: str, name: str) -> StoredObject:
        require_valid_name(container, name)
        headers = self.session.call(
            f"Reading the headers of {container}/{name}", swiftclient.head_object, container, name
        )
        with translate_parse_errors(self.session.auth_url):
            return parse_head(name, headers)

    def get_layout(self, container: str, name: str) -> ObjectLayout:
        require_valid_name(container, name)
        return self.session.run(
            lambda _token: read_layout(self.session, container, name),
            what=f"Reading the layout of {container}/{name}",
        )

    def put_segment(self, container: str, name: str, body: Body, *, on_progress: BytesCallback | None = None) -> str:
        """
        Store *body* as a segment; return its MD5, which is computed while it is sent: *body* is read once.

        Damaged content may stay under *name*, so use this only for segments that `complete_multipart` checks later.

        :raises Corrupted: the MD5 of the store differed at every attempt.
        """
        require_valid_new_name(container, name)
        upload = ObjectUpload(self.session, container, name, hashing_body(body), on_progress=on_progress)
        return self.session.run(upload.send, container, what=f"Uploading segment {container}/{name}")

    def complete_multipart(
        self, container: str, name: str, parts: Sequence[Part], *, content_type: str | None = None
    ) -> None:
        """
        Make *name* an object that consists of the segments in *parts*; it replaces an object of that name in one step.

        The store checks the size and the MD5 of each segment first.

        :raises Corrupted: a segment is gone, or was replaced.
        """
        require_valid_new_name(container, name)
        for part in parts:
            if part.segment:
                require_valid_name(*part.segment)
        upload = ManifestUpload(self.session, container, name, parts, content_type)
        self.session.run(upload.send, container, what=f"Uploading the manifest of {container}/{name}")

    def copy_whole(self, container: str, name: str, to_container: str, to_name: str) -> None:
        """
        Copy an object in one piece.

        The store responds when the copy is complete. For a large object that may take longer than the read timeout.
        """
        require_valid_name(container, name)
        require_valid_new_name(to_container, to_name)
        what, destination = f"Copying {container}/{name} to {to_container}/{to_name}", f"/{to_container}/{to_name}"
        try:
            self.session.call(what, swiftclient.copy_object, container, name, destination=destination)
        except ObjectNotFound:
            self.require_container(to_container)  # a missing destination gives the same response
            raise

    def delete(self, container: str, names: Iterable[str]) -> None:
        require_container_name(container)
        remaining = [names] if isinstance(names, str) else list(names)
        dotted = [one for one in remaining if has_dot_component(one)]
        for name in remaining:
            if not has_dot_component(name):
                require_object_name(name, "names")
        batch_size = min(self.limits().max_deletes, MAX_BULK_DELETE) if len(remaining) > 1 or dotted else 0
        if dotted and not batch_size:
            require_object_name(dotted[0], "names")  # in a URL the name would mean another object
        while batch_size and remaining:
            batch, remaining = remaining[:batch_size], remaining[batch_size:]
            attempt = partial(self._bulk_delete, container, batch)
            self.session.run(attempt, container, what=f"Deleting {len(batch)} objects of {container}")
        for name in remaining:
            with suppress(ObjectNotFound):
                self.session.call(f"Deleting {container}/{name}", swiftclient.delete_object, container, name)

    def _list_containers_page(self, marker: str) -> Page:
        what = f"Listing the containers at {self.session.auth_url}"
        page: Page = self.session.call(what, swiftclient.get_account, marker=marker)[1]
        return page

    def _list_objects_page(self, container: str, prefix: str, marker: str, **options: Any) -> Page:
        what = f"Listing container {container}"
        options = {"prefix": prefix, "marker": marker, **options}
        page: Page = self.session.call(what, swiftclient.get_container, container, **options)[1]
        return page

    def require_container(self, container: str) -> None:
        """
        Check that *container* exists, with retries; `check` has none.

        :raises ContainerNotFound: there is no such container.
        """
        self.session.call(f"Reading the headers of container {container}", swiftclient.head_container, container)

    def _bulk_delete(self, container: str, names: Names, token: AuthToken) -> None:
        body = "\n".join(quote(f"/{container}/{name}") for name in names).encode()
        headers = {"Content-Type": "text/plain", "Accept": "application/json"}
        with self.session.swiftclient_pool.connection(token.storage_url) as connection:
            # The status 200 is sent before the objects are deleted; the result is at the end of the body.
            response_body: bytes = swiftclient.post_account(
                token.storage_url, token.value, headers, http_conn=connection, query_string="bulk-delete", data=body
            )[1]
        with translate_parse_errors(self.session.auth_url):
            require_deleted(container, response_body)


def _require_valid_prefix(container: str, prefix: str) -> None:
    require_container_name(container)
    require_list_prefix(prefix)


def require_valid_name(container: str, name: str) -> None:
    """
    Check the name of an object and of its container.

    :raises InvalidName: it cannot be one.
    """
    require_container_name(container)
    require_object_name(name)


def require_valid_new_name(container: str, name: str) -> None:
    """
    Check the name of an object that is stored, and of its container.

    :raises InvalidName: it cannot be one, or no download could write it as a file.
    """
    require_container_name(container)
    require_new_object_name(name)
