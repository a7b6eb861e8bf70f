"""
The options and variables by which the console finds a service and an object store, with their credentials.

The service is that of the variables DLAAS_URL, DLAAS_USER and DLAAS_PASSWORD; what they leave out comes from
credentials.json in the data directory, if it is about the same URL. The data directory is --home, DLAAS_HOME or
~/.airflow-dlaas.

The object store is, in this order: the connection of --connection, in connections.json in the data directory; there
`swift_default`, unless DLAAS_URL names another service than that file; the one of Swift's own variables ST_AUTH,
ST_USER and ST_KEY. For `aws_default` and `google_cloud_default`, the variables are those of the tools of these clouds.

If a service is being started there for the first time, its files are waited for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_dlaas._util.timer import SYSTEM_TIMER, Timer
from airflow_dlaas.cli.output import print_line
from airflow_dlaas.cli.store_entries import (
    CONN_TYPES,
    DEFAULT_NAMES,
    VARIABLE_NAMES,
    StoreEntry,
    entry_from_file,
    entry_from_variables,
    has_store_variables,
)
from airflow_dlaas.contract.stores import StoreKind, StoreType
from airflow_dlaas.exceptions import NotConfigured, Unreachable
from airflow_dlaas.service.config.client_settings import read_client_settings
from airflow_dlaas.service.config.data_dir import DataDir, resolve_connection

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client

DEFAULT_CONNECTION = "swift_default"

START_TIMEOUT = 30.0
"""Seconds to wait for the first start of a service; it usually takes three."""

START_POLL_INTERVAL = 0.2
"""Seconds between two looks for its files."""

HomeOption = Annotated[
    Path | None,
    typer.Option(help="Data directory of the service, with its credentials. Default: DLAAS_HOME or ~/.airflow-dlaas."),
]

ConnectionOption = Annotated[
    str | None,
    typer.Option(
        help="The object store: a name in connections.json of the data directory. Default: swift_default, or else "
        "ST_AUTH, ST_USER and ST_KEY. aws_default and google_cloud_default may also be the variables of these clouds."
    ),
]


@dataclass(frozen=True)
class StoreAccess:
    """The connection to an object store, as a definition has it."""

    connection: dict[str, str | bool] = field(repr=False)
    verify: bool | str
    """Whether to check certificates, or the authorities to trust."""
    place: str
    """Where the connection comes from, for messages."""
    store_type: StoreType = StoreType.SOFTLAYER
    """The type of its containers in a definition."""


@contextmanager
def open_client(home: Path | None) -> Iterator[Client]:
    """
    Open a client of the service in the data directory *home*, or of the service at DLAAS_URL.

    :raises NotConfigured: neither names a service, or its credentials are missing.
    :raises Unreachable: a service is still being started there, or it does not respond.
    """
    from airflow_dlaas.client.client import Client

    folder, settings = read_client_settings(os.environ, str(home) if home else None)
    if "url" not in settings:
        wait_for_first_start(DataDir(folder))
    connection = resolve_connection(DataDir(folder), settings)
    try:
        with Client(connection.url, connection.user, connection.password, verify=connection.verify) as client:
            yield client
    except Unreachable as error:
        if "url" in settings or DataDir(folder).find_service_pid() is not None:
            raise
        raise Unreachable(f"{error}. No service runs in {folder}: airflow-dlaas serve starts it") from error


def read_store_connection(home: Path | None, name: str | None) -> dict[str, str | bool]:
    """
    Read the connection *name* to an object store, as a definition has it. See `find_store`.

    :raises NotConfigured: there is no such connection.
    """
    return find_store(home, None if name == DEFAULT_CONNECTION else name).connection


def find_store(home: Path | None, name: str | None = None) -> StoreAccess:
    """
    Find the object store *name*; None means the default one. The module's docstring has the order.

    :raises NotConfigured: there is no such connection, or it is incomplete.
    :raises Unreachable: a service is still being started there.
    """
    folder, settings = read_client_settings(os.environ, str(home) if home else None)
    data_dir = DataDir(folder)
    wanted = name or DEFAULT_CONNECTION
    conn_type = next((type_ for type_, default in DEFAULT_NAMES.items() if default == wanted), None)
    has_variables = conn_type is not None and has_store_variables(conn_type, os.environ)
    if not has_variables and "url" not in settings:
        wait_for_first_start(data_dir)
    entries = _read_entries(data_dir.connections_file)
    stores = {one: entry for one, entry in entries.items() if entry.get("conn_type") in CONN_TYPES}
    if wanted in stores and (name is not None or _is_of_service(entries, settings)):
        place = f"{data_dir.connections_file}, {wanted}"
        return _access(entry_from_file(stores[wanted], place), place, settings)
    if has_variables and conn_type is not None:
        return _access(entry_from_variables(conn_type, os.environ), VARIABLE_NAMES[conn_type], settings)
    raise NotConfigured(_missing_message(data_dir, wanted, sorted(stores)))


def wait_for_first_start(data_dir: DataDir, timer: Timer = SYSTEM_TIMER) -> None:
    """
    Wait while a service is being started in *data_dir* for the first time; return at once if none is.

    :raises Unreachable: it is not ready after `START_TIMEOUT`.
    """
    deadline = timer.clock() + START_TIMEOUT
    reported = False
    while not data_dir.credentials_file.exists():
        pid = data_dir.find_service_pid()
        if pid is None:
            return
        if not reported:
            print_line(f"The service in {data_dir.path} (pid {pid}) is starting; waiting for it", err=True)
            reported = True
        if timer.clock() >= deadline:
            raise Unreachable(
                f"The service in {data_dir.path} (pid {pid}) has not been ready for {START_TIMEOUT:g} s; see what it "
                "has printed, or try again"
            )
        timer.sleep(START_POLL_INTERVAL)


def _read_entries(path: Path) -> dict[str, dict[str, Any]]:
    """Read the connections from a file for `airflow connections import`, by their names."""
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise NotConfigured(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        # Without the cause, whose text may have a part of the file.
        raise NotConfigured(f"{path} is not JSON; the next start of the service writes it again") from None
    if not isinstance(document, dict):
        raise NotConfigured(f"{path} has no connections: it must be an object with their names")
    return {name: entry for name, entry in document.items() if isinstance(entry, dict)}


def _is_of_service(entries: Mapping[str, Mapping[str, Any]], settings: Mapping[str, str]) -> bool:
    """Whether the connections are those of the service at DLAAS_URL: another one has another object store."""
    if "url" not in settings:
        return True
    return settings["url"].rstrip("/") == entries.get("dlaas_default", {}).get("host")


def _access(entry: StoreEntry, place: str, settings: Mapping[str, str]) -> StoreAccess:
    # The authorities of the site signed no certificate of a cloud.
    is_of_site = entry.store_type.kind is StoreKind.SWIFT or "endpoint_url" in entry.connection
    tls_ca = settings.get("tls_ca") if is_of_site else None
    verify = tls_ca or (True if entry.verify is None else entry.verify)
    return StoreAccess(entry.connection, verify, place, entry.store_type)


def _missing_message(data_dir: DataDir, wanted: str, known: Sequence[str]) -> str:
    path = data_dir.connections_file
    if wanted in known:
        return (
            f"The object store of the service at DLAAS_URL is unknown: set ST_AUTH, ST_USER and ST_KEY. ({wanted} in "
            f"{path} is that of another service; upload and download use it with --connection {wanted})"
        )
    if known:
        return f"There is no connection {wanted!r} to an object store in {path}; it has {', '.join(known)}"
    if path.exists():
        why = f"{path} has none"
    elif data_dir.credentials_file.exists():
        why = f"{path} is missing; the next start of the service writes it again"
    else:
        why = f"{path} is missing, no service has been started there (airflow-dlaas serve)"
    conn_type = next((type_ for type_, default in DEFAULT_NAMES.items() if default == wanted), "swift")
    return f"There is no connection {wanted!r} to an object store: {why}, and {VARIABLE_NAMES[conn_type]} are not set"
