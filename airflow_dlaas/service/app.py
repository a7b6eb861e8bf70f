"""
Where the parts are joined; the only file that knows them all.

`Service` is the whole service in this process; `serve` is that, as a program in the foreground.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from airflow_dlaas import __version__
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.errors import DlaasError, HostError
from airflow_dlaas.service import ports
from airflow_dlaas.service.api.app import create_api
from airflow_dlaas.service.api.identity import Identity
from airflow_dlaas.service.api.parts import Limits, Parts
from airflow_dlaas.service.dispatcher.handover import Workplace
from airflow_dlaas.service.dispatcher.inventory import slots
from airflow_dlaas.service.dispatcher.loop import Dispatcher, utc_now
from airflow_dlaas.service.home import Credentials, Home
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from airflow_dlaas.service.runners.local import LocalRunner
from airflow_dlaas.service.runtimes.catalogue import load
from airflow_dlaas.service.runtimes.probe import examine
from airflow_dlaas.service.settings import Settings
from airflow_dlaas.service.store.blobs import BlobStore
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.storage.swift import SwiftStore

log = logging.getLogger(__name__)

GOODBYE = 3
"""Seconds that answers under way (long polls, monitors) are given when the service stops."""

WATCH_PAUSE = 1.0
"""Seconds between looks at the parts that may fail by themselves."""

SWIFT_PAUSE = 30.0
"""Seconds to the next try where the embedded Swift can't be started again."""

SWEEP_PAUSE = 3600.0
"""Seconds between sweeps of zips that nothing needs any more."""

STORE_CONNECT, STORE_READ = 5.0, 15.0
"""Seconds an object store may take to answer when it is checked at submit, while somebody waits for the reply."""


class Service:
    """
    API, dispatcher, store and, unless it is off, the embedded Swift. Started and stopped once.

    Stopping it stops no training: learners go on, and are found again by the next service in the same home folder.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self.stopped = threading.Event()
        """Set when it stops, also by itself: then `failure` says why."""
        self.failure: str | None = None
        self._stack = ExitStack()
        self._credentials: Credentials | None = None
        self.gpus: tuple[str, ...] = ()

    @property
    def credentials(self) -> Credentials:
        """Who may get in, and where."""
        if self._credentials is None:
            raise HostError("The service has not been started")
        return self._credentials

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """
        Start every part, in the order in which they need each other, and return when requests are answered.

        :raises NotConfigured: a setting can't be.
        :raises HostError: a port is taken, the home is another service's, a program is missing. Nothing is left then.
        """
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """Stop every part, last started first, and wait for them."""
        self.stopped.set()
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        settings, home = self.settings, self.home
        self.gpus = slots(settings.gpus)
        real_gpus = not self.gpus[0].startswith("virtual:")
        catalogue = load(settings.catalogue, gpus=real_gpus, examine=examine)
        home.make()
        stack.enter_context(home.lock())
        credentials = home.enrol(settings.user, settings.password)
        door = stack.enter_context(ports.listen(settings.host, settings.port, last=ports.port_in(credentials.url)))
        swift = self._swift(credentials)
        swift_is_up = stack.enter_context(_starting(swift)) if swift else None
        url = settings.public_url or _url(settings.host, ports.port_of(door))
        self._credentials = replace(credentials, url=url, auth_url=swift.access.auth_url if swift else None)

        store = SqlStore(settings.database or f"sqlite:///{home.database}")
        stack.callback(store.close)
        blobs = BlobStore(home.blobs)
        dispatcher = Dispatcher(
            store,
            LocalRunner(),
            Workplace(
                jobs=home.jobs,
                environments=home.environments,
                code=blobs.path,
                runtime=catalogue.spec,
                run_limit=settings.run_limit,
                allow_nested=settings.allow_nested,
                unpacked_limit=settings.unpacked_limit,
            ),
            inventory=self.gpus,
            holder=f"{socket.gethostname()}:{home.path}",
        )
        api = create_api(
            Parts(
                store=store,
                blobs=blobs,
                jobs=home.jobs,
                catalogue=catalogue,
                slots=len(self.gpus),
                identity=Identity(
                    {credentials.user: credentials.password}, bytes.fromhex(credentials.token_key), clock=utc_now
                ),
                check_store=_check_store,
                wake=dispatcher.wake,
                public_url=settings.public_url,
                limits=Limits(
                    zip_bytes=settings.zip_limit,
                    unpacked_bytes=settings.unpacked_limit,
                    allow_nested=settings.allow_nested,
                ),
                stopping=self.stopped.is_set,
            )
        )
        if swift_is_up is not None:
            swift_is_up.result()
        dispatcher.start()
        stack.callback(dispatcher.stop)
        server = stack.enter_context(_serving(api, door))
        home.keep(self._credentials)
        stack.enter_context(self._watching(swift, dispatcher, server, lambda: blobs.sweep(store.digests())))

    def _swift(self, credentials: Credentials) -> EmbeddedSwift | None:
        settings = self.settings
        if settings.objectstore == "off":
            return None
        return EmbeddedSwift(
            self.home.swift,
            host=settings.host,
            port=settings.objectstore_port or ports.free_port(settings.host, last=ports.port_in(credentials.auth_url)),
            user=credentials.swift_user,
            key=credentials.swift_key,
        )

    @contextlib.contextmanager
    def _watching(
        self,
        swift: EmbeddedSwift | None,
        dispatcher: Dispatcher,
        server: threading.Thread,
        sweep: Callable[[], int],
    ) -> Iterator[None]:
        """Look after the parts: the store's processes are started again, and nothing goes on without the others."""
        done = threading.Event()

        def watch() -> None:
            since_sweep, pause = SWEEP_PAUSE, WATCH_PAUSE
            while not done.wait(pause):
                since_sweep += pause
                pause = WATCH_PAUSE
                if not server.is_alive() or not dispatcher.running:
                    self.failure = "The API or the dispatcher ended by itself; its last words are in the log"
                    self.stopped.set()
                    return
                try:
                    if swift is not None and not swift.alive():
                        log.error("The embedded object store ended by itself; starting it again")
                        swift.start()
                    if since_sweep >= SWEEP_PAUSE:
                        since_sweep = 0.0
                        sweep()
                except DlaasError:
                    log.exception("The service could not look after one of its parts; trying again")
                    pause = SWIFT_PAUSE

        thread = threading.Thread(target=watch, name="watch")
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def serve(settings: Settings, say: Callable[[str], None]) -> int:
    """
    Run the service until SIGTERM or Ctrl-C; the exit code. *say* is told once when it is ready, and no secret.

    To be called in the main thread.
    """
    service = Service(settings)
    with _signals(service.stopped) as starting:
        try:
            service.start()
            starting.clear()
            say(_greeting(service))
            service.stopped.wait()
        except _Stopped:
            return 0
        finally:
            starting.clear()
            service.stop()
    if service.failure is not None:
        raise HostError(service.failure)
    return 0


class _Stopped(BaseException):
    """Asked to stop while starting. No `Exception`, so that nothing on the way takes it for a failure."""


@contextlib.contextmanager
def _signals(stopped: threading.Event) -> Iterator[threading.Event]:
    """Turn SIGTERM and SIGINT into *stopped*, and into `_Stopped` as long as the event handed out is set."""
    starting = threading.Event()
    starting.set()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stopped.set()
        if starting.is_set():
            starting.clear()
            raise _Stopped

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield starting
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _starting(swift: EmbeddedSwift) -> Iterator[Future[object]]:
    """Start the store while other parts are made: it is the slowest, and mostly waits."""
    with ThreadPoolExecutor(1, "swift") as pool:
        starting: Future[object] = pool.submit(swift.start)
        try:
            yield starting
        finally:
            wait([starting])
            swift.stop()


@contextlib.contextmanager
def _serving(api: FastAPI, door: socket.socket) -> Iterator[threading.Thread]:
    """Answer requests at *door* in a thread of its own."""
    server = uvicorn.Server(
        uvicorn.Config(
            api,
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            ws="websockets-sansio",
            timeout_graceful_shutdown=GOODBYE,
        )
    )
    thread = threading.Thread(target=server.run, args=([door],), name="api")
    thread.start()
    try:
        while not server.started:
            thread.join(0.005)
            if not thread.is_alive():
                raise HostError("The API could not start; the reason is in the log")
        yield thread
    finally:
        server.should_exit = True
        thread.join()


def _check_store(connection: StoreConnection, container: str) -> None:
    with SwiftStore.open(connection, connect_timeout=STORE_CONNECT, read_timeout=STORE_READ) as store:
        store.check(container)


def _url(host: str, port: int) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what a local client calls it
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _greeting(service: Service) -> str:
    real = not service.gpus[0].startswith("virtual:")
    gpus = ", ".join(service.gpus) if real else f"{len(service.gpus)} virtual slots"
    return (
        f"airflow-dlaas {__version__} is ready at {service.credentials.url} (pid {os.getpid()}), "
        f"object store {service.credentials.auth_url or 'off'}, GPUs {gpus}, "
        f"credentials in {service.home.credentials_file}; "
        f"connections for Airflow: airflow connections import {service.home.connections_file}"
    )
