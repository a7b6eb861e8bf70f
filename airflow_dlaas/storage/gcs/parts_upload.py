"""
The upload of one large object in parts, which are temporary objects that the store composes.

Parts are sent at the same time, as the other way of this API (a resumable upload) takes them in order only. Each part
is verified by its MD5. The composed object has no MD5 from the store: its size and its CRC32C are compared with those
of the parts, and the MD5s of the parts are put into its metadata, by which downloads are verified.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from airflow_dlaas.exceptions import Corrupted, StoreError
from airflow_dlaas.storage.body import Body, hashing_body
from airflow_dlaas.storage.gcs import crc32c, targets
from airflow_dlaas.storage.gcs.auth import AuthToken
from airflow_dlaas.storage.gcs.errors import translate_parse_errors
from airflow_dlaas.storage.gcs.object_requests import delete_objects, list_all, list_pages
from airflow_dlaas.storage.gcs.object_upload import ObjectUpload
from airflow_dlaas.storage.gcs.part_names import PartNames
from airflow_dlaas.storage.gcs.responses import format_parts, md5_from_base64
from airflow_dlaas.storage.gcs.session import GcsSession
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.object_store import BytesCallback, StoredPart

MAX_SOURCES = 32
"""Objects that one request composes, by the API's documentation."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Component:
    """A temporary object, as the store has it."""

    name: str
    generation: str
    size: int
    crc: int
    md5: str = ""
    """Empty for an object that is composed itself."""


class GcsPartsUpload:
    """`PartsUpload` over Google Cloud Storage; `begin` makes one. Thread-safe."""

    def __init__(self, session: GcsSession, container: str, names: PartNames) -> None:
        self._session = session
        self._container = container
        self._names = names
        self._lock = threading.Lock()
        self._stored: dict[int, list[Component]] = {}
        self._parts: dict[int, Component] = {}
        self._sent: set[str] = set()

    @classmethod
    def begin(
        cls, session: GcsSession, container: str, name: str, *, size: int | None, part_size: int
    ) -> GcsPartsUpload:
        """
        Return an upload; it can use the parts that an interrupted upload of the same sizes has left.

        :raises ContainerNotFound: there is no such bucket.
        """
        upload = cls(session, container, PartNames(name, size, part_size, secrets.token_hex(8)))
        for page in list_pages(session, container, upload._names.prefix):
            for resource in page.get("items") or () if size is not None else ():
                upload._add_stored(resource)
        return upload

    def _add_stored(self, resource: Mapping[str, Any]) -> None:
        component = self._parse_component(resource)
        number = self._names.part_number(component.name)
        if number is not None and component.md5:
            self._stored.setdefault(number, []).append(component)

    def stored_parts(self, number: int) -> Sequence[StoredPart]:
        """Return what an interrupted upload of the same sizes has left for part *number*; sends no request."""
        return [StoredPart(one.size, one.md5) for one in self._stored.get(number, ())]

    def reuse_part(self, number: int, part: StoredPart) -> None:
        """Use *part*, one of `stored_parts`, instead of sending it."""
        found = next(one for one in self._stored[number] if (one.size, one.md5) == (part.size, part.md5))
        with self._lock:
            self._parts[number] = found

    def put_part(self, number: int, body: Body, *, on_progress: BytesCallback | None = None) -> str:
        """Send *body* as part *number*; return its MD5."""
        name = self._names.part(number)
        with self._lock:
            self._sent.add(name)
        upload = ObjectUpload(self._session, self._container, name, hashing_body(body), on_progress=on_progress)
        what = f"Uploading part {number} of {self._container}/{self._names.name}"
        resource = self._session.run(upload.send, self._container, what=what)
        component = self._parse_component(resource)
        with self._lock:
            self._parts[number] = component
        return component.md5

    def complete(self, *, content_type: str | None = None) -> None:
        """
        Compose the object of all parts, and delete temporary objects of this and of interrupted uploads of the name.

        :raises Corrupted: a part is gone, or was replaced.
        """
        parts = [self._parts[number] for number in range(len(self._parts))]
        components, level = parts, 1
        while len(components) > MAX_SOURCES:
            groups = [components[start : start + MAX_SOURCES] for start in range(0, len(components), MAX_SOURCES)]
            components = [
                self._compose(self._names.joined(level, number), group, {}) for number, group in enumerate(groups)
            ]
            level += 1
        destination: dict[str, Any] = {"metadata": format_parts([p.size for p in parts], [p.md5 for p in parts])}
        if content_type:
            destination["contentType"] = content_type
        self._compose(self._names.name, components, destination)
        self._delete_leftovers()

    def discard(self) -> None:
        """Delete the parts that were sent."""
        delete_objects(self._session, self._container, sorted(self._sent))

    def _compose(self, name: str, sources: Sequence[Component], destination: Mapping[str, Any]) -> Component:
        content = {
            "destination": destination,
            "sourceObjects": [
                {"name": one.name, "objectPreconditions": {"ifGenerationMatch": one.generation}} for one in sources
            ],
        }
        attempt = partial(self._send_compose, name, content)
        what = f"Composing {self._container}/{name} of {len(sources)} parts"
        composed = self._parse_component(self._session.run(attempt, self._container, name, what=what))
        expected = (sum(one.size for one in sources), crc32c.combine((one.crc, one.size) for one in sources))
        if (composed.size, composed.crc) != expected:
            raise Corrupted(
                f"{self._container}/{name} has {composed.size} bytes and the CRC32C {composed.crc:08x}, but its parts "
                f"make {expected[0]} bytes and {expected[1]:08x}"
            )
        return composed

    def _send_compose(self, name: str, content: Mapping[str, Any], token: AuthToken) -> Mapping[str, Any]:
        try:
            return self._session.send_json("POST", targets.compose(self._container, name), content, token)
        except HttpResponseError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED}:
                raise
            raise Corrupted(
                f"{self._container}/{self._names.name} was not put together: a part of it is gone or was replaced "
                f"({error.status}). Did another upload write the same object at the same time?"
            ) from error

    def _parse_component(self, resource: Mapping[str, Any]) -> Component:
        with translate_parse_errors(self._session.url):
            return Component(
                str(resource["name"]),
                str(resource["generation"]),
                int(resource["size"]),
                crc32c.decode(resource["crc32c"]),
                md5_from_base64(resource.get("md5Hash") or ""),
            )

    def _delete_leftovers(self) -> None:
        try:
            listing = list_all(self._session, self._container, self._names.prefix)
            delete_objects(self._session, self._container, [one.name for one in listing])
        except StoreError as error:
            _log.warning(
                "Deleting the parts of %s/%s failed (%s); the next upload of a large file to this name deletes them",
                self._container,
                self._names.name,
                error,
            )
