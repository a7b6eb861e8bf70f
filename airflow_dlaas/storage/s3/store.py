"""`ObjectStore` over S3: checks the names, and runs each request in the session."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.store_connections import S3StoreConnection
from airflow_dlaas.storage.body import Body
from airflow_dlaas.storage.http.content_download import PartContent
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, PartsUpload, RunAll, WriteAt
from airflow_dlaas.storage.s3.account import S3Account, require_valid_name, require_valid_new_name
from airflow_dlaas.storage.s3.object_download import ObjectDownload, PartDownload, fetch_range
from airflow_dlaas.storage.s3.object_upload import ObjectUpload
from airflow_dlaas.storage.s3.parts_upload import S3PartsUpload
from airflow_dlaas.storage.s3.server_copy import copy_object
from airflow_dlaas.storage.whole_objects import WholeObjects


class S3Store(S3Account, WholeObjects):
    """
    One account of an S3 store; as many connections as threads send requests at the same time.

    Use it as a context manager, or call `close`. `open` sends no request.

    Content is verified by its MD5: a PUT sends it, so that the server stores nothing else, and a GET is compared with
    the ETag; for an object of parts with an ETag that is computed again, if the server has the sizes of the parts. An
    ETag that is no checksum, because of the encryption with keys of a key management, is not compared; then only the
    number of bytes is.
    """

    @classmethod
    def open(
        cls,
        connection: S3StoreConnection,
        *,
        verify: bool | str = True,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        require_allowed: Callable[[str], None] | None = None,
        retry_policy: RetryPolicy = RetryPolicy(),  # noqa: B008  (frozen)
        renew: Callable[[], S3StoreConnection] | None = None,
    ) -> Self:
        """
        Make a store of *connection*, without a request.

        :param verify: whether to check certificates, or the path of the authorities to trust.
        :param connect_timeout: seconds to reach the server; *read_timeout*: seconds that it may be silent.
        :param require_allowed: raises `StoreNotAllowed` for a URL that must not be called.
        :param renew: returns the connection with keys that are valid now; called for each request.
        """
        http_options = HttpOptions(verify, connect_timeout, read_timeout, require_allowed)
        return cls(connection, http_options, retry_policy, renew)

    def __repr__(self) -> str:
        return f"<S3Store {self._connection.user or 'anonymous'} at {self._connection.url}>"

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
        return self.session.run(download.fetch, container, name, what=f"Downloading {container}/{name}")

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

    def begin_multipart(
        self,
        container: str,
        name: str,
        *,
        size: int | None,
        part_size: int,
        is_new: bool = False,  # noqa: ARG002 - the replaced object owns nothing that has to be deleted
    ) -> PartsUpload:
        require_valid_new_name(container, name)
        upload = S3PartsUpload(self, container, name, size=size, part_size=part_size)
        upload.begin()
        return upload

    def copy(self, container: str, name: str, to_container: str, to_name: str, *, run: RunAll | None = None) -> bool:
        require_valid_name(container, name)
        require_valid_new_name(to_container, to_name)
        return copy_object(self, (container, name), (to_container, to_name), run)
