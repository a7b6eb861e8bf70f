"""
Where the parts are joined; the only file that knows them all.

`Service` is the whole service in this process; `foreground` makes a program of it.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.api.app import create_api
from airflow_dlaas.service.api.authentication import Identity
from airflow_dlaas.service.api.dependencies import Limits, Parts
from airflow_dlaas.service.config.data_dir import Credentials, Home
from airflow_dlaas.service.config.network_policy import insist_on_password
from airflow_dlaas.service.config.service_addresses import Address
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.config.tls import TRUSTED_BY, bundle
from airflow_dlaas.service.config.users import OwnUser, UserFile, Users
from airflow_dlaas.service.dispatcher.gpu_inventory import slots
from airflow_dlaas.service.dispatcher.job_directories import Workplace
from airflow_dlaas.service.dispatcher.loop import Dispatcher, utc_now
from airflow_dlaas.service.job_files import write_mark
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from airflow_dlaas.service.process import ports
from airflow_dlaas.service.process.server import serving
from airflow_dlaas.service.process.supervision import starting, watching
from airflow_dlaas.service.runners.local import LocalRunner
from airflow_dlaas.service.runtimes.catalogue import load
from airflow_dlaas.service.runtimes.container import EngineCheck
from airflow_dlaas.service.runtimes.probe import examine
from airflow_dlaas.service.store.blobs import BlobStore
from airflow_dlaas.service.store.secret_encryption import derive_key
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.storage.swift.store import SwiftStore

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
        address = Address.of(settings)
        if settings.tls is not None:
            settings.tls.check(*address.proved)
        user_file = UserFile(settings.users) if settings.users else None
        self.gpus = slots(settings.gpus)
        real_gpus = not self.gpus[0].startswith("virtual:")
        catalogue = load(settings.catalogue, gpus=real_gpus, examine=partial(examine, engine=EngineCheck().reason))
        home.make()
        stack.enter_context(home.lock())
        credentials = home.enrol(settings.user, settings.password)
        if not settings.insecure_listen:
            insist_on_password(address.reached_at, credentials.user, credentials.password)
        users = _users(settings, OwnUser(credentials.user, credentials.password), user_file)
        trust = self._trust()
        door = stack.enter_context(ports.listen(settings.host, settings.port, last=ports.port_in(credentials.url)))
        swift = self._swift(credentials, address)
        swift_is_up = stack.enter_context(starting(swift)) if swift else None
        self._credentials = replace(
            credentials,
            url=settings.public_url or address.url(ports.port_of(door)),
            auth_url=swift.access.auth_url if swift else None,
            ca_file=str(settings.tls_ca) if settings.tls_ca else None,
        )

        token_key = bytes.fromhex(credentials.token_key)
        store = SqlStore(settings.database or f"sqlite:///{home.database}", key=derive_key(token_key))
        stack.callback(store.close)
        blobs = BlobStore(home.blobs)
        allowed = settings.object_stores.and_also(address.spellings(swift.port) if swift else ())
        dispatcher = Dispatcher(
            store,
            LocalRunner(os.environ | trust),
            Workplace(
                jobs=home.jobs,
                environments=home.environments,
                code=blobs.path,
                runtime=catalogue.spec,
                run_limit=settings.run_limit,
                allow_nested=settings.allow_nested,
                unpacked_limit=settings.unpacked_limit,
                isolation=settings.isolation,
                visible=settings.visible,
                log_limit=settings.log_limit,
                object_stores=allowed,
            ),
            inventory=self.gpus,
            holder=f"{socket.gethostname()}:{home.path}",
        )
        open_store = partial(
            SwiftStore.open,
            verify=next(iter(trust.values()), True),
            connect_timeout=STORE_CONNECT,
            read_timeout=STORE_READ,
            require_allowed=allowed.require,
        )
        api = create_api(
            Parts(
                store=store,
                blobs=blobs,
                jobs=home.jobs,
                catalogue=catalogue,
                slots=len(self.gpus),
                identity=Identity(
                    users,
                    token_key,
                    clock=utc_now,
                    lifetime=settings.token_lifetime,
                ),
                allowed=allowed,
                check_store=partial(_check_container, open_store),
                create_container=partial(_create_container, open_store),
                wake=dispatcher.wake,
                public_url=settings.public_url,
                limits=Limits(
                    zip_bytes=settings.zip_limit,
                    unpacked_bytes=settings.unpacked_limit,
                    monitors=settings.monitor_limit,
                    allow_nested=settings.allow_nested,
                ),
                stopping=self.stopped.is_set,
            )
        )
        if swift_is_up is not None:
            swift_is_up.result()
        dispatcher.start()
        stack.callback(dispatcher.stop)
        server = stack.enter_context(serving(api, door, settings.tls, monitors=2 * settings.monitor_limit))
        home.keep(self._credentials)
        stack.enter_context(
            watching(
                swift,
                dispatcher,
                server,
                sweep=lambda: blobs.sweep(store.digests()),
                give_up=self._give_up,
            )
        )

    def _swift(self, credentials: Credentials, address: Address) -> EmbeddedSwift | None:
        settings = self.settings
        if settings.objectstore == "off":
            return None
        return EmbeddedSwift(
            self.home.swift,
            host=settings.host,
            port=settings.objectstore_port or ports.free_port(settings.host, last=ports.port_in(credentials.auth_url)),
            user=credentials.swift_user,
            key=credentials.swift_key,
            name=address.name,
            tls=settings.tls,
        )

    def _trust(self) -> dict[str, str]:
        """Write down whom trainings and checks trust besides everybody's authorities; the variable that says so."""
        if self.settings.tls_ca is None:
            return {}
        write_mark(self.home.authorities, bundle(self.settings.tls_ca))
        return {TRUSTED_BY[0]: str(self.home.authorities)}

    def _give_up(self, why: str) -> None:
        self.failure = why
        self.stopped.set()


def _users(settings: Settings, own: OwnUser, file: UserFile | None) -> Users:
    if file is not None and file.stamp(own.name) is not None:
        raise NotConfigured(
            f"DLAAS_USERS: {settings.users} names {own.name}, who is the service's own user, with a password of their "
            f"own; remove them (airflow-dlaas users remove {own.name}) or set DLAAS_USER to another name"
        )
    return Users(own, file)


OpenStore = Callable[[StoreConnection], SwiftStore]


def _check_container(open_store: OpenStore, connection: StoreConnection, container: str) -> None:
    with open_store(connection) as store:
        store.check(container)


def _create_container(open_store: OpenStore, connection: StoreConnection, container: str) -> None:
    with open_store(connection) as store:
        store.create_container(container)
