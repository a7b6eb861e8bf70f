from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import swiftclient

from airflow_dlaas.demo import ports
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift, SwiftLogin

USER, KEY = "dlaas:trainer", "s3cret/with=odd#signs;%"


def free_port() -> int:
    return ports.find_free_ports()[0]


def swift_in(folder: Path, port: int | None = None, key: str = KEY) -> EmbeddedSwift:
    return EmbeddedSwift(folder, port=port or free_port(), user=USER, key=key)


@contextmanager
def connected(access: SwiftLogin, key: str | None = None) -> Iterator[swiftclient.Connection]:
    """A client of its own, as every thread needs one; it does not try again, so that a test sees each answer."""
    # A server that starts again on a busy machine, which is mostly imports, takes its time to answer.
    connection = swiftclient.Connection(access.auth_url, access.user, key or access.key, retries=0, timeout=90)
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture(scope="module")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSwift]:
    with swift_in(tmp_path_factory.mktemp("swift")) as running:
        yield running


@pytest.fixture
def client(swift: EmbeddedSwift) -> Iterator[swiftclient.Connection]:
    with connected(swift.login) as connection:
        yield connection
