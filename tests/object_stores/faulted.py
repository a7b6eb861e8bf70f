"""A store behind a proxy that applies faults, and folders that are transferred through it in several versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.store_connections import S3StoreConnection, SwiftStoreConnection
from airflow_dlaas.storage.open_object_store import OpenedStore, OpenOptions, open_object_store
from airflow_dlaas.storage.transfer.api import DownloadOptions, UploadOptions, download, upload
from tests.fault_proxy import FaultProxy
from tests.object_stores import fault_requests
from tests.object_stores.cases import StoreCase
from tests.object_stores.fault_requests import PIECE, SMALL, Requests
from tests.stored import Tree, contents, orphans, random_bytes, read_tree, write_tree

FAST_RETRIES = RetryPolicy(attempts=3, first_pause=0.01)

SHORT_TIMEOUT = 0.8
"""A read timeout in seconds: long enough for a real store, unless the machine is busy."""

MANY_RETRIES = RetryPolicy(attempts=12, first_pause=0.01)
"""For the short timeout, which a real store on a busy machine may exceed several times."""


@dataclass(frozen=True)
class Dialect:
    """The requests of one kind of store, and the bytes of the parts of a large object."""

    uploads: Requests
    downloads: Requests
    part_size: int

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the files: three parts, hashed before it is sent, sent from memory, empty."""
        return {"large": 2 * self.part_size + 40_000, "piece": PIECE, "small": SMALL, "empty": 0}


SWIFT = Dialect(fault_requests.SWIFT_UPLOADS, fault_requests.SWIFT_DOWNLOADS, fault_requests.SWIFT_PART)
S3 = Dialect(fault_requests.S3_UPLOADS, fault_requests.S3_DOWNLOADS, fault_requests.S3_PART)
GCS = Dialect(fault_requests.GCS_UPLOADS, fault_requests.GCS_DOWNLOADS, fault_requests.GCS_PART)

DIALECTS = {"swift": SWIFT, "embedded_s3": S3, "moto": S3, "gcs": GCS}
"""The stores of the suite, and the requests of each."""


@dataclass(frozen=True)
class FaultedStore:
    """A store behind a proxy."""

    case: StoreCase
    dialect: Dialect
    proxy: FaultProxy

    def open(self, policy: RetryPolicy = FAST_RETRIES, read_timeout: float = 60) -> OpenedStore:
        """Open the store through the proxy."""
        return open_object_store(
            self.case.through(self.proxy), OpenOptions(retry_policy=policy, read_timeout=read_timeout)
        )

    def open_for(self, kind: str) -> OpenedStore:
        """Open it with a timeout that ends the wait for a fault that stalls, if *kind* is one."""
        return self.open(MANY_RETRIES, SHORT_TIMEOUT) if kind in fault_requests.STALL_KINDS else self.open()

    @property
    def secrets(self) -> list[str]:
        """What no error may contain."""
        given = self.case.connection.model_dump(context={"reveal": True})
        return [given[key] for key in ("password", "secret_access_key", "access_token") if given.get(key)]

    def leftovers(self, direct: OpenedStore, container: str) -> set[str]:
        """Return what interrupted uploads have left in the store."""
        if isinstance(self.case.connection, SwiftStoreConnection):
            return orphans(direct, container)
        if isinstance(self.case.connection, S3StoreConnection):
            return unfinished_uploads(self.case.connection, container)
        return {one.name for one in direct.list_objects(container) if ".dlaas-parts" in one.name}


def unfinished_uploads(connection: S3StoreConnection, bucket: str) -> set[str]:
    """Return the ids of the multipart uploads that were begun and are neither complete nor aborted."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=connection.url,
        aws_access_key_id=connection.user,
        aws_secret_access_key=connection.secret,
        region_name="us-east-1",
    )
    try:
        found = client.list_multipart_uploads(Bucket=bucket)
    finally:
        client.close()
    return {one["UploadId"] for one in found.get("Uploads", ())}


OUTSIDE = {"data.txt": b"beside", "other/small": b"elsewhere"}
"""Objects that no transfer may change."""


@dataclass(frozen=True)
class Uploads:
    """A container, and a folder that is uploaded to it in several versions."""

    direct: OpenedStore
    dialect: Dialect
    container: str
    here: Path

    def write(self, version: int, *removed: str) -> Tree:
        """Write a version into the folder, without the files *removed*; return what the container then must contain."""
        tree = {name: random_bytes(size, f"{version} {name}") for name, size in self.dialect.sizes.items()}
        write_tree(self.here, tree)
        for name in removed:
            (self.here / name).unlink()
        return OUTSIDE | {f"data/{name}": content for name, content in tree.items()}

    def send(self, store: OpenedStore, threads: int | None = None) -> None:
        part_size = self.dialect.part_size
        options = UploadOptions(prefix="data", delete=True, segment_size=part_size, threads=threads)
        upload(store, self.here, self.container, options)

    def stored(self) -> Tree:
        return contents(self.direct, self.container)


@dataclass(frozen=True)
class Downloads:
    """A container, and a folder with older versions of its files."""

    dialect: Dialect
    container: str
    old: Tree
    new: Tree
    there: Path

    def fetch(self, store: OpenedStore, threads: int | None = None) -> None:
        options = DownloadOptions(prefix="data", segment_size=self.dialect.part_size, threads=threads)
        download(store, self.container, self.there, options)

    def visible(self) -> Tree:
        """The files whose names do not begin with a dot."""
        return {name: content for name, content in read_tree(self.there).items() if not name.startswith(".")}


Move = Callable[[OpenedStore], None]
