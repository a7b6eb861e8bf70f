"""Opens the object store of a connection, of whatever kind it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from typing_extensions import Self

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.store_connections import (
    S3StoreConnection,
    StoreConnection,
    SwiftStoreConnection,
)
from airflow_dlaas.storage.object_store import ObjectStore


class OpenedStore(ObjectStore, Protocol):
    """An object store with connections: a context manager that closes them."""

    @property
    def account_url(self) -> str:
        """
        What identifies the account: two stores with the same URL have the same containers. It contains no secret.

        :raises StoreError: the store is asked for the URL, and cannot be reached or refuses.
        """

    def __enter__(self) -> Self:
        """Return the store."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""

    def close(self) -> None:
        """Close idle connections. The store can be used afterwards."""


@dataclass(frozen=True, kw_only=True)
class OpenOptions:
    """How a store is reached."""

    verify: bool | str = True
    """Whether to check certificates, or the path of the authorities to trust."""
    connect_timeout: float = 10
    """Seconds to reach the store."""
    read_timeout: float = 60
    """Seconds that the store may be silent."""
    require_allowed: Callable[[str], None] | None = None
    """Raises `StoreNotAllowed` for a URL that must not be called, also one that a login returns."""
    renew: Callable[[], Any] | None = None
    """Returns a connection of the same kind with credentials that are valid now, for temporary ones. A store calls it
    for each request; the same connection is returned until its credentials end soon. It raises a `StoreError`."""
    retry_policy: RetryPolicy = RetryPolicy()  # noqa: RUF009  (frozen)


def open_object_store(connection: StoreConnection, options: OpenOptions | None = None) -> OpenedStore:
    """
    Open the store of *connection*; sends no request. Its library is imported now.

    :raises StoreError: the URL of the store cannot be used.
    """
    options = options or OpenOptions()
    if isinstance(connection, SwiftStoreConnection):
        from airflow_dlaas.storage.swift.store import SwiftStore

        return SwiftStore.open(
            connection,
            verify=options.verify,
            connect_timeout=options.connect_timeout,
            read_timeout=options.read_timeout,
            require_allowed=options.require_allowed,
            retry_policy=options.retry_policy,
        )
    if isinstance(connection, S3StoreConnection):
        from airflow_dlaas.storage.s3.store import S3Store

        return S3Store.open(
            connection,
            verify=options.verify,
            connect_timeout=options.connect_timeout,
            read_timeout=options.read_timeout,
            require_allowed=options.require_allowed,
            retry_policy=options.retry_policy,
            renew=options.renew,
        )
    from airflow_dlaas.storage.gcs.store import GcsStore

    return GcsStore.open(
        connection,
        verify=options.verify,
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        require_allowed=options.require_allowed,
        retry_policy=options.retry_policy,
        renew=options.renew,
    )
