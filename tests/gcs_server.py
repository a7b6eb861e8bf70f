"""
A server of Google Cloud Storage's JSON API for tests: gcp-storage-emulator, in memory.

What the emulator cannot do: it checks no credentials, it ignores ``ifGenerationMatch`` and other preconditions,
``fields``, ``maxResults`` and page tokens (a listing is one page), it gives a composed object an MD5, it responds to a
range after the end with an empty body instead of 416, and it copies in one request. Tests of these use responses that
a test defines (`tests.integration.storage.scripted_server`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import HTTPServer
from typing import Any

from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

from airflow_dlaas.contract.store_connections import GcsStoreConnection

PROJECT = "a-project"


class _Storage(Storage):
    def _write_config_to_file(self) -> None:
        """Do nothing: after each request the emulator would write the metadata of all objects."""


class _Server(HTTPServer):
    """One request at a time, because the emulator's storage is not thread-safe."""

    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: a client that closes its connection is no error of a test."""


@contextmanager
def running_gcs() -> Iterator[GcsStoreConnection]:
    """Start the server; yield a connection to it, and stop it after the block."""
    handler = partial(RequestHandler, _Storage(use_memory_fs=True))
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            yield GcsStoreConnection(endpoint_url=url, anonymous=True, project_id=PROJECT)
        finally:
            server.shutdown()
            thread.join()
