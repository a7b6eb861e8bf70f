"""How the client's commands get into a service."""

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
    typer.Option(
        help="Home folder of the service; it keeps the credentials. Default: DLAAS_HOME, or ~/.airflow-dlaas."
    ),
]


@contextmanager
def open_client(home: Path | None) -> Iterator[Client]:
    """
    Open a client of the service that runs in *home*, or of the one that DLAAS_URL names.

    :raises NotConfigured: nobody said which service is meant.
    """
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.service.config.data_dir import DataDir, resolve_connection

    folder, said = read_client_settings(os.environ, str(home) if home else None)
    found = resolve_connection(DataDir(folder), said)
    with Client(found.url, found.user, found.password, verify=found.verify) as opened:
        yield opened


def read_store_connection(home: Path | None, name: str) -> dict[str, str]:
    """
    Look up an object store by the name of its connection, in the connections.json of *home*.

    :raises NotConfigured: there is none of that name.
    """
    found, _ = _read_store_entry(home, name)
    return {"auth_url": found["host"], "userId": found["login"], "password": found["password"]}


def read_store_verify(home: Path | None, name: str) -> bool | str:
    """
    Look up whom to trust for an object store's certificate, as `SwiftStore.open` takes it.

    :raises NotConfigured: there is no connection of that name.
    """
    found, said = _read_store_entry(home, name)
    kept: str | None = json.loads(found.get("extra") or "{}").get("ca_file")
    return said.get("tls_ca") or kept or True


def _read_store_entry(home: Path | None, name: str) -> tuple[dict[str, str], dict[str, str]]:
    from airflow_dlaas.service.config.data_dir import DataDir

    folder, said = read_client_settings(os.environ, str(home) if home else None)
    path = DataDir(folder).connections_file
    try:
        kept: dict[str, dict[str, str]] = json.loads(path.read_text())
    except FileNotFoundError:
        kept = {}
    found = kept.get(name)
    if found is None or found.get("conn_type") != "swift":
        raise NotConfigured(
            f"There is no connection {name!r} of type swift in {path}; spell the connection out in the definition"
        )
    return found, said
