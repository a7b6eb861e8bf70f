"""`ObjectStore` over Google Cloud Storage: checks the names, and runs each request in the session."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.store_connections import GcsStoreConnection
from airflow_dlaas.exceptions import ObjectNotFound
from airflow_dlaas.storage.body import Body
from airflow_dlaas.storage.gcs import targets
from airflow_dlaas.storage.gcs.account import GcsAccount, require_valid_name, require_valid_new_name
from airflow_dlaas.storage.gcs.errors import translate_parse_errors
from airflow_dlaas.storage.gcs.object_download import ObjectDownload, PartDownload, fetch_range, read_layout
from airflow_dlaas.storage.gcs.object_upload import ObjectUpload
from airflow_dlaas.storage.gcs.part_names import require_part_names
from airflow_dlaas.storage.gcs.parts_upload import GcsPartsUpload
from airflow_dlaas.storage.gcs.responses import md5_from_base64
from airflow_dlaas.storage.http.content_download import PartContent
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, PartsUpload, RunAll, WriteAt


class GcsStore(GcsAccount):
    """
    The buckets that one account has access to; as many connections as threads send requests at the same time.

    Use it as a context manager, or call `close`. `open` sends no request; the first method that does requests a token.
    Temporary objects of uploads in parts (`part_names`) are not listed.
    """

    @classmethod
    def open(
        cls,
        connection: GcsStoreConnection,
        *,
        verify: bool | str = True,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        require_allowed: Callable[[str], None] | None = None,
        retry_policy: RetryPolicy = RetryPolicy(),  # noqa: B008  (frozen)
        renew: Callable[[], GcsStoreConnection] | None = None,
    ) -> Self:
        """
        Make a store of *connection*, without a request.

        :param verify: whether to check certificates, or the path of the authorities to trust.
        :param connect_timeout: seconds to reach the server; *read_timeout*: seconds that it may be silent.
        :param require_allowed: raises `StoreNotAllowed` for a URL that must not be called: that of the store, and the
            one for tokens in the key of a service account, unless it is Google's own.
        :param renew: returns the connection with a token that is valid now; called for each request.
        """
        http_options = HttpOptions(verify, connect_timeout, read_timeout, require_allowed)
        return cls(connection, http_options, retry_policy, renew)

    def __repr__(self) -> str:
        return f"<GcsStore at {self.session.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections. The store can be used afterwards."""
        self.session.close()

    @property
    def account_url(self) -> str:
        """The URL of the store: names of buckets are unique there."""
        return self.session.url

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
        # Without the object's name: a status of 404 is about the bucket.
        resource = self.session.run(upload.send, container, what=f"Uploading {container}/{name}")
        return md5_from_base64(resource["md5Hash"])

    def require_multipart_name(self, container: str, name: str, *, size: int, part_size: int) -> None:
        require_valid_new_name(container, name)
        require_part_names(name, size, part_size)

    def begin_multipart(
        self,
        container: str,
        name: str,
        *,
        size: int | None,
        part_size: int,
        is_new: bool = False,  # noqa: ARG002  (an object that is replaced needs no request)
    ) -> PartsUpload:
        require_valid_new_name(container, name)
        return GcsPartsUpload.begin(self.session, container, name, size=size, part_size=part_size)

    def get_layout(self, container: str, name: str) -> ObjectLayout:
        require_valid_name(container, name)
        attempt = partial(read_layout, self.session, container, name)
        return self.session.run(attempt, container, name, what=f"Reading the layout of {container}/{name}")

    def get(self, container: str, name: str, destination: Path, *, on_progress: BytesCallback | None = None) -> int:
        require_valid_name(container, name)
        download = ObjectDownload(self.session, container, name, destination, on_progress)
        try:
            return self.session.run(download.fetch, container, name, what=f"Downloading {container}/{name}")
        except ObjectNotFound:
            self.require_container(container)  # a missing bucket gives the same response
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

    def copy(
        self,
        container: str,
        name: str,
        to_container: str,
        to_name: str,
        *,
        run: RunAll | None = None,  # noqa: ARG002  (the store copies an object of any size itself)
    ) -> bool:
        require_valid_name(container, name)
        require_valid_new_name(to_container, to_name)
        what, token = f"Copying {container}/{name} to {to_container}/{to_name}", ""
        while True:
            target = targets.rewrite(container, name, to_container, to_name, token)
            try:
                answer = self.session.call(what, "POST", target, container, name)
            except ObjectNotFound:
                self.require_container(to_container)  # a missing destination gives the same response
                raise
            if answer.get("done"):
                return True
            with translate_parse_errors(self.session.url):
                token = str(answer["rewriteToken"])
