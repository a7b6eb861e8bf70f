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
from airflow_dlaas.service.api.authentication import TokenAuthenticator
from airflow_dlaas.service.api.dependencies import ApiDeps, ApiLimits
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.config.data_dir import Credentials, DataDir
from airflow_dlaas.service.config.network_policy import require_strong_password
from airflow_dlaas.service.config.service_addresses import ServiceAddress
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.config.tls import CA_BUNDLE_VARIABLES, combined_ca_bundle
from airflow_dlaas.service.config.users import CombinedUsers, ServiceUser, UserFile
from airflow_dlaas.service.dispatcher.gpu_inventory import resolve_slots
from airflow_dlaas.service.dispatcher.job_directories import JobDirectories
from airflow_dlaas.service.dispatcher.loop import Dispatcher
from airflow_dlaas.service.job_files import write_text_atomic
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from airflow_dlaas.service.process import ports
from airflow_dlaas.service.runners.local import LocalRunner
from airflow_dlaas.service.runtimes.catalogue import load_catalogue
from airflow_dlaas.service.runtimes.container import EngineCheck
from airflow_dlaas.service.runtimes.probe import check_entry
from airflow_dlaas.service.server import serve_in_thread
from airflow_dlaas.service.store.blobs import BlobStore
from airflow_dlaas.service.store.secret_encryption import derive_key
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.service.supervision import start_in_background, supervise
from airflow_dlaas.storage.swift.store import SwiftStore

STORE_CONNECT_TIMEOUT, STORE_READ_TIMEOUT = 5.0, 15.0
"""Seconds an object store may take to answer when it is checked at submit, while somebody waits for the reply."""


class Service:
    """
    API, dispatcher, store and, unless it is off, the embedded Swift. Started and stopped once.

    Stopping it stops no training: learners go on, and are found again by the next service in the same home folder.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.data_dir = DataDir(settings.home)
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
        settings, home = self.settings, self.data_dir
        address = ServiceAddress.from_settings(settings)
        if settings.tls is not None:
            settings.tls.require_valid_for(*address.certificate_names)
        user_file = UserFile(settings.users) if settings.users else None
        self.gpus = resolve_slots(settings.gpus)
        real_gpus = not self.gpus[0].startswith("virtual:")
        catalogue = load_catalogue(
            settings.catalogue,
            has_gpus=real_gpus,
            check_entry=partial(check_entry, engine_check=EngineCheck().failure_reason),
        )
        home.create()
        stack.enter_context(home.lock())
        credentials = home.load_or_create_credentials(settings.user, settings.password)
        if not settings.insecure_listen:
            require_strong_password(address.reachable_host, credentials.user, credentials.password)
        users = _combine_users(settings, ServiceUser(credentials.user, credentials.password), user_file)
        trust = self._write_ca_bundle()
        door = stack.enter_context(
            ports.listen(settings.host, settings.port, previous_port=ports.url_port(credentials.url))
        )
        swift = self._create_swift(credentials, address)
        swift_is_up = stack.enter_context(start_in_background(swift)) if swift else None
        self._credentials = replace(
            credentials,
            url=settings.public_url or address.url(ports.socket_port(door)),
            auth_url=swift.login.auth_url if swift else None,
            ca_file=str(settings.tls_ca) if settings.tls_ca else None,
        )

        token_key = bytes.fromhex(credentials.token_key)
        store = SqlStore(settings.database or f"sqlite:///{home.database}", key=derive_key(token_key))
        stack.callback(store.close)
        blobs = BlobStore(home.blobs)
        allowed = settings.object_stores.with_urls(address.url_aliases(swift.port) if swift else ())
        dispatcher = Dispatcher(
            store,
            LocalRunner(os.environ | trust),
            JobDirectories(
                jobs_dir=home.jobs,
                environments_dir=home.environments,
                code_path=blobs.path,
                runtime_spec=catalogue.get_spec,
                run_timeout=settings.run_limit,
                allow_nested=settings.allow_nested,
                max_unpacked_bytes=settings.unpacked_limit,
                isolation=settings.isolation,
                readable_paths=settings.visible,
                max_log_bytes=settings.log_limit,
                allowed_stores=allowed,
            ),
            slots=self.gpus,
            lease_holder=f"{socket.gethostname()}:{home.path}",
        )
        open_store = partial(
            SwiftStore.open,
            verify=next(iter(trust.values()), True),
            connect_timeout=STORE_CONNECT_TIMEOUT,
            read_timeout=STORE_READ_TIMEOUT,
            require_allowed=allowed.require_allowed,
        )
        api = create_api(
            ApiDeps(
                store=store,
                blobs=blobs,
                jobs_dir=home.jobs,
                catalogue=catalogue,
                gpu_slots=len(self.gpus),
                authenticator=TokenAuthenticator(
                    users,
                    token_key,
                    clock=utc_now,
                    lifetime=settings.token_lifetime,
                ),
                allowlist=allowed,
                check_container=partial(_check_container, open_store),
                create_container=partial(_create_container, open_store),
                wake_dispatcher=dispatcher.wake,
                public_url=settings.public_url,
                limits=ApiLimits(
                    zip_bytes=settings.zip_limit,
                    unpacked_bytes=settings.unpacked_limit,
                    log_streams=settings.monitor_limit,
                    allow_nested=settings.allow_nested,
                ),
                is_stopping=self.stopped.is_set,
            )
        )
        if swift_is_up is not None:
            swift_is_up.result()
        dispatcher.start()
        stack.callback(dispatcher.stop)
        server = stack.enter_context(
            serve_in_thread(api, door, settings.tls, max_websockets=2 * settings.monitor_limit)
        )
        home.save(self._credentials)
        stack.enter_context(
            supervise(
                swift,
                dispatcher,
                server,
                sweep_blobs=lambda: blobs.delete_unused(store.list_used_digests()),
                on_failure=self._fail,
            )
        )

    def _create_swift(self, credentials: Credentials, address: ServiceAddress) -> EmbeddedSwift | None:
        settings = self.settings
        if settings.objectstore == "off":
            return None
        return EmbeddedSwift(
            self.data_dir.swift,
            host=settings.host,
            port=settings.objectstore_port
            or ports.find_free_port(settings.host, previous_port=ports.url_port(credentials.auth_url)),
            user=credentials.swift_user,
            key=credentials.swift_key,
            public_host=address.url_host,
            tls=settings.tls,
        )

    def _write_ca_bundle(self) -> dict[str, str]:
        """Write down whom trainings and checks trust besides everybody's authorities; the variable that says so."""
        if self.settings.tls_ca is None:
            return {}
        write_text_atomic(self.data_dir.ca_bundle, combined_ca_bundle(self.settings.tls_ca))
        return {CA_BUNDLE_VARIABLES[0]: str(self.data_dir.ca_bundle)}

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self.stopped.set()


def _combine_users(settings: Settings, service_user: ServiceUser, user_file: UserFile | None) -> CombinedUsers:
    if user_file is not None and user_file.security_stamp(service_user.name) is not None:
        raise NotConfigured(
            f"DLAAS_USERS: {settings.users} names {service_user.name}, who is the service's own user, with a password of their "
            f"own; remove them (airflow-dlaas users remove {service_user.name}) or set DLAAS_USER to another name"
        )
    return CombinedUsers(service_user, user_file)


OpenStore = Callable[[StoreConnection], SwiftStore]


def _check_container(open_store: OpenStore, connection: StoreConnection, container: str) -> None:
    with open_store(connection) as store:
        store.check(container)


def _create_container(open_store: OpenStore, connection: StoreConnection, container: str) -> None:
    with open_store(connection) as store:
        store.create_container(container)
