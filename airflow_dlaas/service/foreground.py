"""The service as a program in the foreground: signals, ready message, exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from airflow_dlaas import __version__
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.app import Service
from airflow_dlaas.service.config.data_dir import Credentials
from airflow_dlaas.service.config.settings import Settings


def serve(settings: Settings, on_ready: Callable[[str], object]) -> int:
    """
    Run the service until SIGTERM or SIGINT (Ctrl-C); return the exit code.

    Call it in the main thread: Python handles signals only there.

    :param on_ready: called once, as soon as the service answers requests, with a message for the operator that has
        addresses and paths but no secret.
    :raises NotConfigured: a setting has a value that cannot be used.
    :raises HostError: the service cannot start, or one of its components ended unexpectedly.
    """
    service = Service(settings)
    with _handle_signals(service.stopped) as starting:
        try:
            service.start()
            starting.clear()
            on_ready(_ready_message(service))
            service.stopped.wait()
        except _StopRequested:
            return 0
        finally:
            starting.clear()
            service.stop()
    if service.failure is not None:
        raise HostError(service.failure)
    return 0


class _StopRequested(BaseException):
    """A signal to stop came during the start. It is no `Exception`, so that no handler takes it for a failure."""


@contextlib.contextmanager
def _handle_signals(stopped: threading.Event) -> Iterator[threading.Event]:
    """
    Set *stopped* at SIGTERM and SIGINT during the block, and raise `_StopRequested` while the yielded event is set.

    The first signal clears that event, so that a second signal does not interrupt the cleanup.
    """
    starting = threading.Event()
    starting.set()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stopped.set()
        if starting.is_set():
            starting.clear()
            raise _StopRequested

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield starting
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ready_message(service: Service) -> str:
    real = not service.gpus[0].startswith("virtual:")
    gpus = ", ".join(service.gpus) if real else f"{len(service.gpus)} virtual slots"
    return (
        f"airflow-dlaas {__version__} is ready at {service.credentials.url} (pid {os.getpid()}), "
        f"object store {_object_store(service.credentials)}, GPUs {gpus}, "
        f"credentials in {service.data_dir.credentials_file}; "
        f"connections for Airflow: airflow connections import {service.data_dir.connections_file}"
    )


def _object_store(credentials: Credentials) -> str:
    if credentials.auth_url is None:
        return "off"
    return f"{credentials.auth_url} (for S3 clients {credentials.s3_url})"
