"""The buckets, and the objects in them: everything but their content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.store_connections import GcsStoreConnection
from airflow_dlaas.contract.store_names import (
    has_dot_component,
    require_container_name,
    require_list_prefix,
    require_new_object_name,
    require_object_name,
)
from airflow_dlaas.exceptions import ContainerNotFound, StoreError
from airflow_dlaas.storage.gcs import batch, targets
from airflow_dlaas.storage.gcs.auth import parse_service_account
from airflow_dlaas.storage.gcs.errors import translate_parse_errors
from airflow_dlaas.storage.gcs.object_requests import PAGE_SIZE, delete_objects, list_all, list_entries
from airflow_dlaas.storage.gcs.part_names import PARTS_FOLDER, is_part, part_owner
from airflow_dlaas.storage.gcs.responses import MAX_PARTS, parse_entry
from airflow_dlaas.storage.gcs.session import GcsSession
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.object_store import StoredObject, StoreLimits
from airflow_dlaas.storage.whole_objects import WholeObjects

MAX_TOTAL_SIZE = 5 * 1024**4
"""Bytes of the largest object of Google Cloud Storage."""

LIMITS = StoreLimits(
    max_object_size=MAX_TOTAL_SIZE // MAX_PARTS,
    max_segments=MAX_PARTS,
    max_deletes=batch.MAX_BATCH,
    page_size=PAGE_SIZE,
)
"""The limits by the API's documentation; the store publishes none. The size is that of a part of the largest object."""


class GcsAccount(WholeObjects):
    """The methods of `ObjectStore` that are about containers and names."""

    def __init__(
        self,
        connection: GcsStoreConnection,
        http_options: HttpOptions,
        retry_policy: RetryPolicy,
        renew: Callable[[], GcsStoreConnection] | None = None,
    ) -> None:
        self._connection = connection
        self.session = GcsSession(connection, http_options, retry_policy, renew)

    def check(self, container: str) -> None:
        require_container_name(container)
        # A listing, because many roles for objects do not permit to read the properties of the bucket.
        self.session.call_once("GET", _probe(container), container)

    def limits(self) -> StoreLimits:
        return LIMITS

    def list_containers(self) -> Sequence[str]:
        names: list[str] = []
        query = {"project": self._project(), "fields": "items(name),nextPageToken"}
        while True:
            what = f"Listing the buckets at {self.session.url}"
            page = self.session.call(what, "GET", targets.buckets(**query))
            with translate_parse_errors(self.session.url):
                names += [str(one["name"]) for one in page.get("items") or ()]
            if not page.get("nextPageToken"):
                return names
            query["pageToken"] = str(page["nextPageToken"])

    def create_container(self, name: str) -> None:
        require_container_name(name)
        try:
            self.require_container(name)
        except ContainerNotFound:
            target, content = targets.buckets(project=self._project()), {"name": name}
            try:
                self.session.call(f"Creating bucket {name}", "POST", target, name, content=content)
            except StoreError:
                # Another program may have created it at the same time.
                if not self._is_accessible(name):
                    raise

    def delete_container(self, name: str) -> None:
        require_container_name(name)
        if next(iter(self.list_dir(name, limit=1)), None) is None:
            leftovers = [one.name for one in list_all(self.session, name, PARTS_FOLDER)]
            delete_objects(self.session, name, leftovers)
        self.session.call(f"Deleting bucket {name}", "DELETE", targets.bucket(name), name)

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        _require_valid_prefix(container, prefix)
        return (one for one in list_all(self.session, container, prefix) if _is_listed(one.name, prefix))

    def list_dir(self, container: str, folder: str = "", *, limit: int = 0) -> Iterator[StoredObject | str]:
        _require_valid_prefix(container, folder)
        # One more than the limit: the folder of temporary objects is left out.
        query = {"delimiter": "/"} | ({"maxResults": str(min(limit + 1, PAGE_SIZE))} if limit else {})
        count = 0
        for one in list_entries(self.session, container, folder, **query):
            if not _is_listed(one if isinstance(one, str) else one.name, folder):
                continue
            yield one
            count += 1
            if count == limit:
                return

    def stat(self, container: str, name: str) -> StoredObject:
        require_valid_name(container, name)
        target = targets.stored_object(container, name, fields=targets.OBJECT_FIELDS)
        resource = self.session.call(f"Reading {container}/{name}", "GET", target, container, name)
        with translate_parse_errors(self.session.url):
            return parse_entry(resource)

    def delete(self, container: str, names: Iterable[str]) -> None:
        require_container_name(container)
        remaining = [names] if isinstance(names, str) else list(names)
        for name in remaining:
            if name in {".", ".."} or not has_dot_component(name):  # else a slash, which is quoted, separates the dots
                require_object_name(name, "names")
        delete_objects(self.session, container, remaining)

    def delete_abandoned(self, container: str, prefix: str, is_abandoned: Callable[[str], bool]) -> None:
        require_container_name(container)
        require_list_prefix(prefix)
        names = [one.name for one in list_all(self.session, container, PARTS_FOLDER + prefix)]
        owners = {one: owner for one in names if (owner := part_owner(one)) is not None}
        delete_objects(self.session, container, [one for one, owner in owners.items() if is_abandoned(owner)])

    def require_container(self, container: str) -> None:
        """Check that there is such a bucket, with retries."""
        self.session.call(f"Reading bucket {container}", "GET", _probe(container), container)

    def _is_accessible(self, container: str) -> bool:
        try:
            self.require_container(container)
        except StoreError:
            return False
        return True

    def _project(self) -> str:
        project = self._connection.project_id
        if not project and self._connection.credentials is not None:
            project = parse_service_account(self._connection.credentials.get_secret_value()).get("project_id")
        if not project:
            raise StoreError("project_id: is missing in the connection: buckets are listed and created in a project")
        return str(project)


def _probe(container: str) -> str:
    return targets.objects(container, maxResults="1", fields="nextPageToken")


def _is_listed(name: str, prefix: str) -> bool:
    return not is_part(name) or is_part(prefix)


def _require_valid_prefix(container: str, prefix: str) -> None:
    require_container_name(container)
    require_list_prefix(prefix)


def require_valid_name(container: str, name: str) -> None:
    """Check the names of a bucket and of an object in it."""
    require_container_name(container)
    require_object_name(name)


def require_valid_new_name(container: str, name: str) -> None:
    """Check the names of a bucket and of a new object in it."""
    require_container_name(container)
    require_new_object_name(name)
