"""The object stores that the suites use, and what the server of each cannot do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.store_connections import (
    GcsStoreConnection,
    S3StoreConnection,
    StoreConnection,
    SwiftStoreConnection,
)
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from tests.fault_proxy import FaultProxy
from tests.object_stores import servers
from tests.object_stores.listed_only import list_in_swift

MIB = 1024**2

WRONG_SECRET = "hunter2-hunter2"


@dataclass(frozen=True)
class StoreCase:
    """One object store: how it is reached, and what its server lacks."""

    connection: StoreConnection
    wrong_secret: StoreConnection
    """The same connection with another password or key."""
    unreachable: StoreConnection
    """The same connection at a port where nothing listens."""
    add_listed_objects: Callable[[str, int], None] | None = None
    """Adds so many objects of one byte to a container, named by numbers of five digits, without a request for each."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Features of a store of this kind that its server does not have, with the reason to skip their tests."""

    def through(self, proxy: FaultProxy) -> StoreConnection:
        """Return the connection through *proxy*, which is in front of this store."""
        if isinstance(self.connection, SwiftStoreConnection):
            return self.connection.model_copy(update={"auth_url": proxy.auth_url})
        return self.connection.model_copy(update={"endpoint_url": proxy.url})

    def require(self, feature: str) -> None:
        """Skip the current test if the server lacks *feature*."""
        if feature in self.lacks:
            pytest.skip(self.lacks[feature])


def swift_case(connection: SwiftStoreConnection, running: EmbeddedSwift | None = None) -> StoreCase:
    """Return the case of a Swift; *running* is the embedded one."""
    wrong = connection.model_copy(update={"password": SecretStr(WRONG_SECRET)})
    path = connection.auth_url.rpartition("://")[2].partition("/")[2]
    return StoreCase(
        connection,
        wrong,
        connection.model_copy(update={"auth_url": f"http://127.0.0.1:1/{path}"}),
        add_listed_objects=None if running is None else lambda container, n: list_in_swift(running, container, n),
        lacks={"proxy": "Keystone has the URL of the Swift itself"} if connection.is_keystone else {},
    )


def embedded_s3_case(running: EmbeddedSwift) -> StoreCase:
    """Return the case of the embedded Swift for S3 clients."""
    login = running.login
    connection = S3StoreConnection(
        endpoint_url=login.auth_url.removesuffix("/auth/v1.0"),
        access_key_id=login.user,
        secret_access_key=SecretStr(login.key),
    )
    return _s3_case(connection, add_listed_objects=lambda container, n: list_in_swift(running, container, n))


@contextmanager
def moto_case() -> Iterator[StoreCase]:
    """Start a moto server, and yield its case."""
    with servers.moto() as url:
        connection = S3StoreConnection(
            endpoint_url=url, access_key_id="a-key", secret_access_key=SecretStr("a-secret"), region="us-east-1"
        )
        yield _s3_case(
            connection,
            add_listed_objects=servers.list_in_moto,
            lacks={
                "authentication": "moto checks no signature",
                "huge objects": "moto has objects in memory",
                "md5": "moto compares no Content-MD5 with the content",
            },
        )


@contextmanager
def gcs_case() -> Iterator[StoreCase]:
    """Start an emulator of Google Cloud Storage, and yield its case."""
    with servers.gcs() as url:
        connection = GcsStoreConnection(
            access_token=SecretStr("a-made-up-token"), endpoint_url=url, project_id="the-project"
        )
        yield StoreCase(
            connection,
            connection.model_copy(update={"access_token": SecretStr(WRONG_SECRET)}),
            connection.model_copy(update={"endpoint_url": "http://127.0.0.1:1"}),
            lacks={
                "authentication": "the emulator of Google Cloud Storage accepts every token",
                "huge objects": "the emulator of Google Cloud Storage has objects in memory",
                "cheap listing": "the emulator of Google Cloud Storage has no pages",
                "conditional reads": "the emulator of Google Cloud Storage ignores the generation of a request",
            },
        )


def _s3_case(
    connection: S3StoreConnection,
    *,
    add_listed_objects: Callable[[str, int], None],
    lacks: Mapping[str, str] | None = None,
) -> StoreCase:
    return StoreCase(
        connection,
        connection.model_copy(update={"secret_access_key": SecretStr(WRONG_SECRET)}),
        connection.model_copy(update={"endpoint_url": "http://127.0.0.1:1"}),
        add_listed_objects,
        lacks or {},
    )
