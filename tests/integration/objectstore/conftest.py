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
    """Yield a client; each thread needs its own. It does not retry, so that a test sees each response."""
    # A restarted server answers late on a busy machine: it imports many modules first.
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
