"""The service as a program in the foreground: signals, a greeting, an exit code."""

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
from airflow_dlaas.service.config.settings import Settings


def serve(settings: Settings, say: Callable[[str], None]) -> int:
    """
    Run the service until SIGTERM or Ctrl-C; the exit code. *say* is told once when it is ready, and no secret.

    To be called in the main thread.
    """
    service = Service(settings)
    with _handle_signals(service.stopped) as starting:
        try:
            service.start()
            starting.clear()
            say(_ready_message(service))
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
    """Asked to stop while starting. No `Exception`, so that nothing on the way takes it for a failure."""


@contextlib.contextmanager
def _handle_signals(stopped: threading.Event) -> Iterator[threading.Event]:
    """Turn SIGTERM and SIGINT into *stopped*, and into `_StopRequested` as long as the event handed out is set."""
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
        f"object store {service.credentials.auth_url or 'off'}, GPUs {gpus}, "
        f"credentials in {service.data_dir.credentials_file}; "
        f"connections for Airflow: airflow connections import {service.data_dir.connections_file}"
    )
