"""Servers of other projects, in threads of this process, on free ports of the loopback address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

HOST = "127.0.0.1"


@contextmanager
def moto() -> Iterator[str]:
    """Run moto's server, which has S3 and the services for AWS credentials; yield its URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(HOST, 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def list_in_moto(container: str, number: int) -> None:
    """Add *number* objects of one byte to a bucket of moto's server, named by numbers of five digits."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for one in range(number):
        backend.put_object(container, f"{one:05}", b"x")


@contextmanager
def gcs() -> Iterator[str]:
    """Run the emulator of Google Cloud Storage with its objects in memory; yield its URL."""
    from tests.gcs_server import running_gcs

    with running_gcs() as connection:
        yield connection.url
