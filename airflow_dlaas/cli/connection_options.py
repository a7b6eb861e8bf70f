"""The options by which the commands of the client find a service and its credentials."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.config.settings import read_client_settings

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client

HomeOption = Annotated[
    Path | None,
    typer.Option(help="Data directory of the service, with its credentials. Default: DLAAS_HOME or ~/.airflow-dlaas."),
]


@contextmanager
def open_client(home: Path | None) -> Iterator[Client]:
    """
    Open a client of the service in the data directory *home*, or of the service at DLAAS_URL.

    :raises NotConfigured: neither names a service, or its credentials are missing.
    """
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.service.config.data_dir import DataDir, resolve_connection

    folder, settings = read_client_settings(os.environ, str(home) if home else None)
    connection = resolve_connection(DataDir(folder), settings)
    with Client(connection.url, connection.user, connection.password, verify=connection.verify) as client:
        yield client


def read_store_connection(home: Path | None, name: str) -> dict[str, str]:
    """
    Read the connection *name* to an object store from the connections.json of *home*, as a definition has it.

    :raises NotConfigured: there is no such connection.
    """
    entry, _ = _read_store_entry(home, name)
    return {"auth_url": entry["host"], "userId": entry["login"], "password": entry["password"]}


def read_store_verify(home: Path | None, name: str) -> bool | str:
    """
    Return how to verify the certificate of an object store: the parameter `verify` of `SwiftStore.open`.

    :raises NotConfigured: there is no such connection.
    """
    entry, settings = _read_store_entry(home, name)
    ca_file: str | None = json.loads(entry.get("extra") or "{}").get("ca_file")
    return settings.get("tls_ca") or ca_file or True


def _read_store_entry(home: Path | None, name: str) -> tuple[dict[str, str], dict[str, str]]:
    from airflow_dlaas.service.config.data_dir import DataDir

    folder, settings = read_client_settings(os.environ, str(home) if home else None)
    path = DataDir(folder).connections_file
    try:
        entries: dict[str, dict[str, str]] = json.loads(path.read_text())
    except FileNotFoundError:
        entries = {}
    entry = entries.get(name)
    if entry is None or entry.get("conn_type") != "swift":
        raise NotConfigured(
            f"There is no connection {name!r} of type swift in {path}; write the connection into the definition"
        )
    return entry, settings
