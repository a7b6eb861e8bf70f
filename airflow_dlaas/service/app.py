"""
The composition root of the service: the one module that imports all components and connects them.

`Service` is the whole service in this process; `airflow_dlaas.service.foreground` runs it as a program.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property, partial
from types import TracebackType
from typing import Self

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.api.app import create_api
from airflow_dlaas.service.api.authentication import TokenAuthenticator
from airflow_dlaas.service.api.dependencies import ApiDeps, ApiLimits
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.config.data_cache import resolve_data_cache
from airflow_dlaas.service.config.data_dir import Credentials, DataDir
from airflow_dlaas.service.config.network_policy import require_strong_password
from airflow_dlaas.service.config.results_store_file import ResultsStoreFile
from airflow_dlaas.service.config.service_addresses import ServiceAddress
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.config.tls import CA_BUNDLE_VARIABLES, combined_ca_bundle
from airflow_dlaas.service.config.users import CombinedUsers, ServiceUser, UserFile
from airflow_dlaas.service.container_access import ContainerAccess
from airflow_dlaas.service.dispatcher.free_resources import Capacity
from airflow_dlaas.service.dispatcher.gpu_inventory import resolve_slots
from airflow_dlaas.service.dispatcher.job_directories import JobDirectories
from airflow_dlaas.service.dispatcher.loop import Dispatcher
from airflow_dlaas.service.key_rotation import finish_rotation, open_store
from airflow_dlaas.service.object_store_allowlist import ObjectStoreAllowlist
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from airflow_dlaas.service.process import ports
from airflow_dlaas.service.process.machine_resources import usable_cpus, usable_memory
from airflow_dlaas.service.runners.local import LocalRunner
from airflow_dlaas.service.runtimes.catalogue import load_catalogue
from airflow_dlaas.service.runtimes.container import EngineCheck
from airflow_dlaas.service.runtimes.entry_checks import EntryChecks
from airflow_dlaas.service.runtimes.probe import check_entry
from airflow_dlaas.service.runtimes.reloading_catalogue import ReloadingCatalogue
from airflow_dlaas.service.server import serve_in_thread
from airflow_dlaas.service.store.blobs import BlobStore
from airflow_dlaas.service.supervision import start_in_background, supervise
from airflow_dlaas.storage.open_object_store import OpenOptions

log = logging.getLogger(__name__)

STORE_CONNECT_TIMEOUT, STORE_READ_TIMEOUT = 5.0, 15.0
"""Seconds to wait for an object store in the checks at submit, during which the client waits for the response."""


class Service:
    """
    API, dispatcher, store and, unless it is off, the embedded Swift. Started and stopped once.

    Stopping the service stops no training: the learners go on, and the next service in the same data directory finds
    them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.data_dir = DataDir(settings.home)
        self.stopped = threading.Event()
        """Set when the service stops. If a component failed, `failure` has the reason."""
        self.failure: str | None = None
        self._stack = ExitStack()
        self._credentials: Credentials | None = None
        self.gpus: tuple[str, ...] = ()

    @property
    def credentials(self) -> Credentials:
        """The service's users, keys and URLs. Available after the start."""
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
        Start the components in the order of their dependencies; return when the service answers requests.

        After an error, everything that was started has been stopped again.

        :raises NotConfigured: a setting has a value that cannot be used.
        :raises HostError: a port is in use, another service uses the data directory, or a program is missing.
        """
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """Stop the components in the reverse order of their start, and wait for them."""
        self.stopped.set()
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        settings, data_dir = self.settings, self.data_dir
        address = ServiceAddress.from_settings(settings)
        if settings.tls is not None:
            settings.tls.require_valid_for(*address.certificate_names)
        user_file = UserFile(settings.users) if settings.users else None
        self.gpus = resolve_slots(settings.gpus)
        catalogue = ReloadingCatalogue(
            settings.catalogue,
            partial(
                load_catalogue,
                settings.catalogue,
                has_gpus=not self.gpus[0].startswith("virtual:"),
                check_entry=EntryChecks(partial(check_entry, engine_check=EngineCheck().failure_reason)),
                images=settings.images,
                environments_dir=data_dir.environments,
            ),
        )
        data_dir.create()
        stack.enter_context(data_dir.lock())
        credentials = data_dir.load_or_create_credentials(settings.user, settings.password)
        if not settings.insecure_listen:
            require_strong_password(address.reachable_host, credentials.user, credentials.password)
        users = _combine_users(settings, ServiceUser(credentials.user, credentials.password), user_file)
        ca_environment = self._write_ca_bundle()
        listener = stack.enter_context(
            ports.listen(settings.host, settings.port, previous_port=ports.url_port(credentials.url))
        )
        swift = self._create_swift(credentials, address)
        swift_start = stack.enter_context(start_in_background(swift)) if swift else None
        self._credentials = replace(
            credentials,
            url=settings.public_url or address.url(ports.socket_port(listener)),
            auth_url=swift.login.auth_url if swift else None,
            ca_file=str(settings.tls_ca) if settings.tls_ca else None,
        )

        token_key = bytes.fromhex(credentials.token_key)
        store = open_store(credentials, settings.database or f"sqlite:///{data_dir.database}")
        stack.callback(store.close)
        self._credentials = finish_rotation(store, self._credentials)
        blobs = BlobStore(data_dir.blobs)
        allowlist = settings.object_stores.with_urls(address.url_aliases(swift.port) if swift else ())
        results_store = (
            ResultsStoreFile(settings.results_store, allowlist.allows) if settings.results_store is not None else None
        )
        dispatcher = Dispatcher(
            store,
            LocalRunner(os.environ | ca_environment | settings.package_login),
            self._job_directories(blobs, catalogue, allowlist),
            slots=self.gpus,
            lease_holder=f"{socket.gethostname()}:{data_dir.path}",
        )
        containers = ContainerAccess(
            OpenOptions(
                verify=next(iter(ca_environment.values()), True),
                connect_timeout=STORE_CONNECT_TIMEOUT,
                read_timeout=STORE_READ_TIMEOUT,
                require_allowed=allowlist.require_allowed,
            )
        )
        api = create_api(
            ApiDeps(
                store=store,
                blobs=blobs,
                jobs_dir=data_dir.jobs,
                catalogue=catalogue,
                gpu_slots=len(self.gpus),
                total_cpus=self._capacity.cpus,
                total_memory=self._capacity.memory,
                authenticator=TokenAuthenticator(users, token_key, clock=utc_now, lifetime=settings.token_lifetime),
                allowlist=allowlist,
                check_container=containers.check,
                create_container=containers.create,
                has_object=containers.has_object,
                wake_dispatcher=dispatcher.wake,
                admin=credentials.user,
                gpus=self.gpus,
                public_url=settings.public_url,
                isolates_secrets=settings.isolation != "none" or settings.secrets_without_isolation,
                mount_roots=settings.mounts,
                default_results=results_store.current if results_store else lambda: None,
                limits=ApiLimits(
                    zip_bytes=settings.zip_limit,
                    unpacked_bytes=settings.unpacked_limit,
                    log_streams=settings.monitor_limit,
                    grace=settings.grace_limit,
                    allow_nested=settings.allow_nested,
                ),
                is_stopping=self.stopped.is_set,
            )
        )
        if swift_start is not None:
            swift_start.result()
        for restriction in store.maintenance.get().describe():
            log.warning("%s", restriction)
        dispatcher.start()
        stack.callback(dispatcher.stop)
        server = stack.enter_context(
            serve_in_thread(api, listener, settings.tls, max_websockets=2 * settings.monitor_limit)
        )
        data_dir.save(self._credentials)
        stack.enter_context(
            supervise(
                swift,
                dispatcher,
                server,
                sweep_blobs=lambda: blobs.delete_unused(store.list_used_digests()),
                on_failure=self._fail,
            )
        )

    def _job_directories(
        self, blobs: BlobStore, catalogue: ReloadingCatalogue, allowlist: ObjectStoreAllowlist
    ) -> JobDirectories:
        settings = self.settings
        return JobDirectories(
            jobs_dir=self.data_dir.jobs,
            environments_dir=self.data_dir.environments,
            code_path=blobs.path,
            runtime_spec=catalogue.get_spec,
            run_timeout=settings.run_limit,
            checkpoints_kept=settings.checkpoints_kept,
            grace_limit=settings.grace_limit,
            max_unpacked_bytes=settings.unpacked_limit,
            isolation=settings.isolation,
            secrets_without_isolation=settings.secrets_without_isolation,
            readable_paths=(*settings.visible, *([settings.wheels] if settings.wheels else [])),
            packages=settings.packages,
            max_log_bytes=settings.log_limit,
            allowed_stores=allowlist,
            capacity=self._capacity,
            cgroups=settings.cgroups,
            data_cache=resolve_data_cache(settings),
            mount_roots=settings.mounts,
        )

    @cached_property
    def _capacity(self) -> Capacity:
        """CPUs and memory that trainings may take, read once from the settings and from the machine."""
        cpus, memory = self.settings.cpus, self.settings.memory
        return Capacity(
            cpus=usable_cpus() if cpus == "auto" else cpus, memory=usable_memory() if memory == "auto" else memory
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
        """
        Write the bundle of certificate authorities that trainings and checks trust, if DLAAS_TLS_CA is set.

        Returns the environment variable that names the bundle; empty without DLAAS_TLS_CA.
        """
        if self.settings.tls_ca is None:
            return {}
        atomic_write_text(self.data_dir.ca_bundle, combined_ca_bundle(self.settings.tls_ca), fsync=True)
        return {CA_BUNDLE_VARIABLES[0]: str(self.data_dir.ca_bundle)}

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self.stopped.set()


def _combine_users(settings: Settings, service_user: ServiceUser, user_file: UserFile | None) -> CombinedUsers:
    if user_file is not None and user_file.security_stamp(service_user.name) is not None:
        raise NotConfigured(
            f"DLAAS_USERS: {settings.users} has a user {service_user.name}, the name of the service's own "
            f"user; remove it (airflow-dlaas users remove {service_user.name}) or set DLAAS_USER to another name"
        )
    return CombinedUsers(service_user, user_file)
