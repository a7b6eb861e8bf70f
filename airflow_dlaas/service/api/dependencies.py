"""The dependencies of the API, and the parameters by which route functions receive them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Protocol

from fastapi import Depends
from fastapi.requests import HTTPConnection

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.contract.stores import StoreConnection, TrainingResults
from airflow_dlaas.service.api.authentication import TokenAuthenticator
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.job_settings import MountRoot
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.object_store_allowlist import ObjectStoreAllowlist
from airflow_dlaas.service.store.base import Store
from airflow_dlaas.service.store.blobs import BlobStore


class RuntimeResolver(Protocol):
    """The catalogue of runtimes that this service can run."""

    def resolve(self, framework: Framework, command: str) -> RuntimeSpec:
        """
        Return the runtime for *command* with *framework*.

        :raises InvalidRequest: the catalogue has none; the message lists the available ones.
        """

    def list_runtimes(self) -> tuple[Runtime, ...]:
        """Return all runtimes of the catalogue."""

    @property
    def problem(self) -> str | None:
        """Why the site's catalogue file as it is now is not in use; None if it is."""

    @property
    def image_patterns(self) -> str | None:
        """The patterns of images that definitions may name; None without any."""


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """Limits on requests."""

    zip_bytes: int = 512 * 1024**2
    """Bytes of an archive of code."""
    unpacked_bytes: int = 2 * 1024**3
    """Bytes that an archive may unpack to."""
    json_bytes: int = 1024**2
    """Bytes of any other body."""
    containers: int = 64
    """Containers that one training may name. Each is checked at submit."""
    log_streams: int = 2000
    """
    Log streams of running trainings that this process may have open at the same time, and as many again of ended ones.

    `airflow_dlaas.service.api.log_stream_limit.user_share` is the number of them that one user may have.
    """
    grace: float = 600.0
    """Seconds that a definition may ask for to save the state of a stopped command."""
    allow_nested: bool = False
    """Whether an archive may contain folders (an extension: the documentation of 2017 requires a flat archive)."""


@dataclass(frozen=True, slots=True)
class ApiDeps:
    """All objects that the API uses. The composition root (`airflow_dlaas.service.app`) creates them."""

    store: Store
    blobs: BlobStore
    jobs_dir: Path
    """The parent of all job directories. The API reads logs and metrics there, and deletes job directories."""
    catalogue: RuntimeResolver
    gpu_slots: int
    """The number of GPU slots."""
    authenticator: TokenAuthenticator
    allowlist: ObjectStoreAllowlist
    """The object stores that a definition may name. The API calls no other."""
    check_container: Callable[[StoreConnection, str], None]
    """Checks that a container can be used, and raises a `StoreError` if not. Thread-safe."""
    create_container: Callable[[StoreConnection, str], None]
    """Creates a container for results, unless it exists. Raises a `StoreError`."""
    has_object: Callable[[StoreConnection, str, str], bool]
    """Whether a container has an object with a name. Raises a `StoreError`. Thread-safe."""
    wake_dispatcher: Callable[[], None]
    """Wakes the dispatcher after a change in the store; must return at once."""
    total_cpus: float | None = None
    """CPUs that all trainings may take together; None if they are not counted."""
    total_memory: int | None = None
    """Bytes of memory that all trainings may take together; None if they are not counted."""
    admin: str | None = None
    """The user that the service was set up with: it sees the usage of all users, and may drain the service."""
    public_url: str | None = None
    """The URL of the service for clients. Without it, the base URL of each request is used."""
    isolates_secrets: bool = True
    """Whether commands on this machine may have secrets: they are isolated from each other, or the site allows it."""
    mount_roots: tuple[MountRoot, ...] = ()
    """The folders below which definitions may name mounted folders."""
    default_results: Callable[[], TrainingResults | None] = lambda: None
    """Return the store for the results of definitions that name none, with its secrets; None: there is none."""
    limits: ApiLimits = field(default_factory=ApiLimits)
    clock: Callable[[], datetime] = utc_now
    gpus: tuple[str, ...] = ()
    """The names of the GPU slots."""
    is_stopping: Callable[[], bool] = lambda: False
    """Whether the service is about to stop. Long polls then end early, without changes."""


async def _get_deps(connection: HTTPConnection) -> ApiDeps:
    deps: ApiDeps = connection.app.state.deps
    return deps


Deps = Annotated[ApiDeps, Depends(_get_deps)]
"""Type of a route function's parameter that receives the dependencies."""


async def _get_owner(connection: HTTPConnection, deps: Deps) -> str:
    return deps.authenticator.authenticate(connection.headers.get("authorization"))


Owner = Annotated[str, Depends(_get_owner)]
"""Type of a route function's parameter that receives the token's user. A request without a valid token is refused."""


def base_url(connection: HTTPConnection, deps: ApiDeps) -> str:
    """Return the URL by which the client reaches this service, without a slash at the end."""
    return (deps.public_url or str(connection.base_url)).rstrip("/")
