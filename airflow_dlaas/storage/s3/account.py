"""The operations of an S3 store on containers, listings and names; each checks its names and runs in the session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus

from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy
from airflow_dlaas.contract.store_connections import S3StoreConnection
from airflow_dlaas.contract.store_names import (
    has_dot_component,
    require_container_name,
    require_list_prefix,
    require_new_object_name,
    require_object_name,
)
from airflow_dlaas.exceptions import ObjectNotFound, StoreError, StoreUnreachable
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.object_store import ObjectLayout, StoredObject, StoreLimits
from airflow_dlaas.storage.s3 import requests
from airflow_dlaas.storage.s3.errors import (
    NO_SUCH_UPLOAD,
    NOT_IMPLEMENTED_CODES,
    TRANSIENT_CODES,
    translate_parse_errors,
)
from airflow_dlaas.storage.s3.object_layout import read_layout
from airflow_dlaas.storage.s3.requests import S3Request
from airflow_dlaas.storage.s3.responses import (
    ObjectsPage,
    has_other_etag,
    parse_buckets_page,
    parse_delete_errors,
    parse_error,
    parse_head,
    parse_objects_page,
    parse_uploads_page,
)
from airflow_dlaas.storage.s3.session import S3Session

MIB = 1024**2

LIMITS = StoreLimits(
    max_object_size=5 * 1024 * MIB,
    max_segments=1000,  # AWS permits 10,000; other servers 1,000, and with these an object is as large as AWS permits
    min_part_size=5 * MIB,
    max_deletes=1000,
    page_size=1000,
)

MAX_ERRORS = 5
"""Objects that an error names; a request can have a thousand."""

_EXISTS_CODES = {"BucketAlreadyOwnedByYou"}


class S3Account:
    """The base class of `S3Store`, with the methods that transfer no content; `ObjectStore` has their guarantees."""

    def __init__(
        self,
        connection: S3StoreConnection,
        http_options: HttpOptions,
        retry_policy: RetryPolicy,
        renew: Callable[[], S3StoreConnection] | None = None,
    ) -> None:
        self._connection = connection
        self.session = S3Session(connection, http_options, retry_policy, renew)
        self._has_checksum_etags: dict[str, bool] = {}
        self._has_bulk_delete = True

    @property
    def account_url(self) -> str:
        return self.session.endpoint_url

    def check(self, container: str) -> None:
        require_container_name(container)
        # A listing, not a HEAD: only a response with a body has the reason of a refusal.
        fetch = partial(self.session.fetch, requests.list_objects(container, "", "", limit=1))
        self.session.run(fetch, container, what=f"Checking container {container}", retry_policy=NO_RETRY)

    def limits(self) -> StoreLimits:
        return LIMITS

    def list_containers(self) -> Sequence[str]:
        names: list[str] = []
        token = ""
        while True:
            fetch = partial(self.session.fetch, requests.list_buckets(token))
            body = self.session.run(fetch, what=f"Listing the containers at {self.account_url}")
            with translate_parse_errors(self.session.keys):
                page, next_token = parse_buckets_page(body)
            names += page
            if not next_token or next_token == token:
                return names
            token = next_token

    def create_container(self, name: str) -> None:
        require_container_name(name)

        def attempt() -> None:
            try:
                self.session.send(requests.create_bucket(name, self.session.region))
            except HttpResponseError as error:
                if parse_error(error.body).code not in _EXISTS_CODES:
                    raise

        self.session.run(attempt, name, what=f"Creating container {name}")

    def delete_container(self, name: str) -> None:
        require_container_name(name)
        self._send(requests.delete_bucket(name), f"Deleting container {name}")

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        require_container_name(container)
        require_list_prefix(prefix)
        for one in self._list(container, prefix):
            if isinstance(one, StoredObject):
                yield one

    def list_dir(self, container: str, folder: str = "", *, limit: int = 0) -> Iterator[StoredObject | str]:
        require_container_name(container)
        require_list_prefix(folder)
        yield from self._list(container, folder, delimiter="/", limit=limit)

    def stat(self, container: str, name: str) -> StoredObject:
        require_valid_name(container, name)
        send = partial(self.session.send, requests.head_object(container, name))
        headers, _ = self.session.run(send, container, name, what=f"Reading the headers of {container}/{name}")
        with translate_parse_errors(self.session.keys):
            return parse_head(name, headers)

    def get_layout(self, container: str, name: str) -> ObjectLayout:
        require_valid_name(container, name)
        what = f"Reading the layout of {container}/{name}"
        return self.session.run(partial(read_layout, self.session, container, name), container, name, what=what)

    def delete(self, container: str, names: Iterable[str]) -> None:
        require_container_name(container)
        remaining = [names] if isinstance(names, str) else list(names)
        dotted = [one for one in remaining if has_dot_component(one)]
        for name in remaining:
            if not has_dot_component(name):
                require_object_name(name, "names")
        is_bulk = len(remaining) > 1 or bool(dotted)
        together = [one for one in remaining if is_bulk and requests.is_in_xml(one)]
        for name in remaining:
            if not is_bulk or not requests.is_in_xml(name):
                self._delete_one(container, name)
        while together and self._has_bulk_delete:
            batch = together[: LIMITS.max_deletes]
            attempt = partial(self._delete_batch, container, batch)
            if self.session.run(attempt, container, what=f"Deleting {len(batch)} objects of {container}"):
                together = together[LIMITS.max_deletes :]
        for name in together:
            self._delete_one(container, name)

    def delete_abandoned(self, container: str, prefix: str, is_abandoned: Callable[[str], bool]) -> None:
        require_container_name(container)
        require_list_prefix(prefix)
        for name, upload_id in self.list_uploads(container, prefix):
            if is_abandoned(name):
                self.abort_upload(container, name, upload_id)

    def list_uploads(self, container: str, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield the object's name and the id of each upload of parts that is not complete."""
        markers: tuple[str, str] | None = ("", "")
        while markers is not None:
            fetch = partial(self.session.fetch, requests.list_uploads(container, prefix, *markers))
            body = self.session.run(fetch, container, what=f"Listing the uploads of parts in {container}")
            with translate_parse_errors(self.session.keys):
                page = parse_uploads_page(body)
            yield from page.uploads
            markers = page.next_markers if page.next_markers != markers else None

    def abort_upload(self, container: str, name: str, upload_id: str) -> None:
        """Delete an upload with its parts; one that is gone is no error."""

        def attempt() -> None:
            try:
                self.session.send(requests.abort_upload(container, name, upload_id))
            except HttpResponseError as error:
                if parse_error(error.body).code != NO_SUCH_UPLOAD:
                    raise

        self.session.run(attempt, container, what=f"Deleting the parts of an upload of {container}/{name}")

    def _list(
        self, container: str, prefix: str, *, delimiter: str = "", limit: int = 0
    ) -> Iterator[StoredObject | str]:
        token = ""
        while True:
            request = requests.list_objects(container, prefix, token, delimiter=delimiter, limit=limit)
            body = self.session.run(
                partial(self.session.fetch, request), container, what=f"Listing container {container}"
            )
            page = self._parse_page(container, body)
            yield from page.entries
            if limit or not page.next_token:
                return
            if page.next_token == token:
                raise StoreError(f"The object store at {self.account_url} lists {container} without end")
            token = page.next_token

    def _parse_page(self, container: str, body: bytes) -> ObjectsPage:
        with translate_parse_errors(self.session.keys):
            page = parse_objects_page(body, etags_are_checksums=self._has_checksum_etags.get(container, True))
        if container in self._has_checksum_etags:
            return page
        first = next((one for one in page.entries if isinstance(one, StoredObject) and one.digest), None)
        if first is None:
            return page
        self._has_checksum_etags[container] = self._has_checksum_etag(container, first.name)
        return page if self._has_checksum_etags[container] else self._parse_page(container, body)

    def _has_checksum_etag(self, container: str, name: str) -> bool:
        """
        Whether the ETag of an object is made of MD5s; a listing does not have its encryption, of which it depends.

        A container has one encryption for all objects that are stored without one of their own.
        """
        if has_dot_component(name):
            return True
        try:
            send = partial(self.session.send, requests.head_object(container, name))
            headers, _ = self.session.run(send, container, name, what=f"Reading the headers of {container}/{name}")
        except StoreError:
            return True  # it may be listed, but not be read
        return not has_other_etag(headers)

    def _send(self, request: S3Request, what: str) -> None:
        self.session.run(partial(self.session.send, request), request.bucket, request.name or None, what=what)

    def _delete_one(self, container: str, name: str) -> None:
        require_object_name(name, "names")  # in a URL a name with a dot component would mean another object
        with suppress(ObjectNotFound):
            self._send(requests.delete_object(container, name), f"Deleting {container}/{name}")

    def _delete_batch(self, container: str, names: Sequence[str]) -> bool:
        """Delete *names* with one request; return False if the server has no such request."""
        try:
            body = self.session.send_checked(requests.delete_objects(container, names))
        except HttpResponseError as error:
            code = parse_error(error.body).code
            if code not in NOT_IMPLEMENTED_CODES and error.status != HTTPStatus.NOT_IMPLEMENTED:
                raise
            self._has_bulk_delete = False
            return False
        with translate_parse_errors(self.session.keys):
            failed = [(name, code) for name, code in parse_delete_errors(body) if code != "NoSuchKey"]
        if not failed:
            return True
        kind = StoreUnreachable if all(code in TRANSIENT_CODES for _, code in failed) else StoreError
        listed = ", ".join(f"{name} ({code})" for name, code in failed[:MAX_ERRORS])
        raise kind(f"These objects of {container} were not deleted: {listed}")


def require_valid_name(container: str, name: str) -> None:
    """Check the names of an object that another program may have stored."""
    require_container_name(container)
    require_object_name(name)


def require_valid_new_name(container: str, name: str) -> None:
    """Check the names of an object to store."""
    require_container_name(container)
    require_new_object_name(name)
