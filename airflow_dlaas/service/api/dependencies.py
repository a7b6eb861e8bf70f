"""What the API is made of, and how a handler gets hold of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Protocol

from fastapi import Depends
from fastapi.requests import HTTPConnection

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.contract.training import Runtime
from airflow_dlaas.service.api.authentication import TokenAuthenticator
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.object_store_allowlist import ObjectStoreAllowlist
from airflow_dlaas.service.store.base import Store
from airflow_dlaas.service.store.blobs import BlobStore


class RuntimeResolver(Protocol):
    """What can be run here."""

    def resolve(self, framework: Framework, command: str) -> RuntimeSpec:
        """
        Name what runs *command* in *framework*.

        :raises InvalidRequest: nothing does; the message lists what there is.
        """

    def list_runtimes(self) -> tuple[Runtime, ...]:
        """List all there is."""


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """How much the API takes in."""

    zip_bytes: int = 512 * 1024**2
    """Bytes of one zip of code."""
    unpacked_bytes: int = 2 * 1024**3
    """Bytes it may unpack to."""
    json_bytes: int = 1024**2
    """Bytes of any other body."""
    containers: int = 64
    """Containers that one training may name: each is checked at submit."""
    log_streams: int = 2000
    """
    Monitors that may be open at a time in this process, and as many again of trainings that have ended.

    `airflow_dlaas.service.api.log_stream_limit.share` says how many of them one user may have.
    """
    allow_nested: bool = False
    """Whether a zip may hold folders (ours; the page says flat)."""


@dataclass(frozen=True, slots=True)
class ApiDeps:
    """All that the API stands on, handed in by whoever joins the parts."""

    store: Store
    blobs: BlobStore
    jobs_dir: Path
    """The folder of job directories; the API reads logs and metrics there."""
    catalogue: RuntimeResolver
    gpu_slots: int
    """How many GPU slots there are."""
    authenticator: TokenAuthenticator
    allowlist: ObjectStoreAllowlist
    """The object stores a definition may name; none other is asked anything."""
    check_container: Callable[[StoreConnection, str], None]
    """Whether a container can be used: returns, or raises a `StoreError`. Called from several threads at once."""
    create_container: Callable[[StoreConnection, str], None]
    """Make a container for results; one that is there already is no error. Raises a `StoreError`."""
    wake_dispatcher: Callable[[], None]
    """Tells the dispatcher that something is there to do; must return at once."""
    public_url: str | None = None
    """The address others know the service by; without it, the one each request was sent to."""
    limits: ApiLimits = field(default_factory=ApiLimits)
    clock: Callable[[], datetime] = utc_now
    is_stopping: Callable[[], bool] = lambda: False
    """Whether the service is about to stop: long polls are then answered early, with what there is."""


async def _get_deps(connection: HTTPConnection) -> ApiDeps:
    found: ApiDeps = connection.app.state.deps
    return found


Deps = Annotated[ApiDeps, Depends(_get_deps)]
"""A handler's parameter of this type is given the parts."""


async def _get_owner(connection: HTTPConnection, deps: Deps) -> str:
    return deps.authenticator.authenticate(connection.headers.get("authorization"))


Owner = Annotated[str, Depends(_get_owner)]
"""A handler's parameter of this type is given the user's name; without a valid token, the request is refused."""


def base_url(connection: HTTPConnection, deps: ApiDeps) -> str:
    """Tell the address this service is reached at, without a slash at the end."""
    return (deps.public_url or str(connection.base_url)).rstrip("/")
