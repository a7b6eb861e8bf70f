"""`ObjectStore` over OpenStack Swift: checks the names, and runs each request in the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.store_names import require_container_name, require_list_prefix
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import ObjectNotFound
from airflow_dlaas.storage.body import Body
from airflow_dlaas.storage.http.content_download import PartContent
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.object_store import (
    BytesCallback,
    ObjectLayout,
    Part,
    PartsUpload,
    RunAll,
    StoredObject,
    WriteAt,
)
from airflow_dlaas.storage.swift import segment_cleanup
from airflow_dlaas.storage.swift.account import SwiftAccount, require_valid_name, require_valid_new_name
from airflow_dlaas.storage.swift.object_download import ObjectDownload, PartDownload, fetch_range
from airflow_dlaas.storage.swift.object_upload import ObjectUpload
from airflow_dlaas.storage.swift.segment_names import require_segment_names
from airflow_dlaas.storage.swift.segmented_copy import copy_object
from airflow_dlaas.storage.swift.segments_upload import SegmentsUpload


class SwiftStore(SwiftAccount):
    """
    One account of a Swift; as many connections as threads send requests at the same time, and one token.

    Use it as a context manager, or call `close`. `open` sends no request; the first method that does logs in.
    """

    @classmethod
    def open(
        cls,
        connection: SwiftStoreConnection,
        *,
        verify: bool | str = True,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        require_allowed: Callable[[str], None] | None = None,
        retry_policy: RetryPolicy = RetryPolicy(),  # noqa: B008  (frozen)
    ) -> Self:
        """
        Make a store of *connection*, without a request.

        :param verify: whether to check certificates, or the path of the authorities to trust.
        :param connect_timeout: seconds to reach the server; *read_timeout*: seconds that it may be silent.
        :param require_allowed: raises `StoreNotAllowed` for a storage URL that must not be called; by default every
            URL that a login returns is used.
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
        """Close idle connections. The store can be used afterwards."""
        self.session.close()

    # ---- the methods of ObjectStore, which has their guarantees

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
        require_valid_new_name(container, name)
        upload = ObjectUpload(self.session, container, name, source, md5, content_type, on_progress)
        # Without the object's name: a status of 404 is about the container.
        return self.session.run(upload.send, container, what=f"Uploading {container}/{name}")

    def get(self, container: str, name: str, destination: Path, *, on_progress: BytesCallback | None = None) -> int:
        require_valid_name(container, name)
        download = ObjectDownload(self.session, container, name, destination, on_progress)
        try:
            return self.session.run(download.fetch, container, name, what=f"Downloading {container}/{name}")
        except ObjectNotFound:
            self.require_container(container)  # a missing container gives the same response
            raise

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
        require_valid_name(container, name)
        content = PartContent(f"{container}/{name}", layout, part, write_at, on_progress)
        download = PartDownload(self.session, container, name, content)
        what = f"Downloading {part.size} bytes from {part.start} on of {container}/{name}"
        self.session.run(download.fetch, container, name, what=what)

    def read_range(self, container: str, name: str, start: int, end: int) -> bytes:
        require_valid_name(container, name)
        if end <= start:
            return b""
        return self.session.run(
            partial(fetch_range, self.session, container, name, start, end),
            container,
            name,
            what=f"Reading bytes {start} to {end} of {container}/{name}",
        )

    def require_multipart_name(self, container: str, name: str, *, size: int, part_size: int) -> None:
        require_valid_new_name(container, name)
        require_segment_names(container, name, size, part_size)

    def begin_multipart(
        self, container: str, name: str, *, size: int | None, part_size: int, is_new: bool = False
    ) -> PartsUpload:
        require_valid_new_name(container, name)
        upload = SegmentsUpload(self, container, name, size=size, part_size=part_size, is_new=is_new)
        upload.begin()
        return upload

    def replacing(
        self, container: str, name: str, stored: StoredObject | None = None
    ) -> AbstractContextManager[object]:
        require_valid_new_name(container, name)
        return segment_cleanup.replacing(self, container, name, stored)

    def copy(self, container: str, name: str, to_container: str, to_name: str, *, run: RunAll | None = None) -> bool:
        require_valid_name(container, name)
        require_valid_new_name(to_container, to_name)
        return copy_object(self, (container, name), (to_container, to_name), run)

    def delete_stored(self, container: str, objects: Sequence[StoredObject]) -> None:
        require_container_name(container)
        segment_cleanup.delete_stored(self, container, objects)

    def delete_abandoned(self, container: str, prefix: str, is_abandoned: Callable[[str], bool]) -> None:
        require_container_name(container)
        require_list_prefix(prefix)
        segment_cleanup.delete_abandoned(self, container, prefix, is_abandoned)
