"""
Rotation of the keys of a service that does not run: the token key, the key of the embedded Swift, the password.

Credentials and secrets are in two places, which no transaction covers. So a rotation has three steps: credentials.json
gets the new keys beside the previous ones; one transaction encrypts the secrets anew; the previous keys are removed.
After a crash between two steps, everything can be read with either key, and the next start of the service or the next
rotation does the rest.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Literal

from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.config.data_dir import Credentials, DataDir
from airflow_dlaas.service.dispatcher.lease import LEASE_DURATION, LEASE_ROLE
from airflow_dlaas.service.store.secret_encryption import derive_key
from airflow_dlaas.service.store.sql import SqlStore

KeyName = Literal["token", "swift", "password"]

KEY_NAMES: tuple[KeyName, ...] = ("token", "swift", "password")


@dataclass(frozen=True, slots=True)
class RotationResult:
    """What a rotation did."""

    rotated: tuple[KeyName, ...]
    reencrypted: int
    """Trainings whose secrets were encrypted anew."""


def open_store(credentials: Credentials, database_url: str) -> SqlStore:
    """Open the store with the keys of *credentials*, those of a rotation that has not ended included."""
    return SqlStore(
        database_url, key=_derive_key(credentials.token_key), previous_key=_derive_key(credentials.previous_token_key)
    )


def finish_rotation(store: SqlStore, credentials: Credentials) -> Credentials:
    """
    Do what an interrupted rotation has left; return the credentials without previous keys, which the caller saves.

    Without an interrupted rotation, nothing is read or written.
    """
    if credentials.previous_token_key is None and credentials.previous_swift_key is None:
        return credentials
    _reencrypt(store, credentials)
    return replace(credentials, previous_token_key=None, previous_swift_key=None)


def rotate_keys(data_dir: DataDir, database_url: str, names: Collection[KeyName]) -> RotationResult:
    """
    Replace the keys *names* in *data_dir* by new random ones, and encrypt the secrets in the database anew.

    :raises NotConfigured: there are no credentials yet, or they cannot be read.
    :raises HostError: the service runs, another service uses the database, or (for `swift`) a training is running.
    """
    with data_dir.lock():
        credentials = data_dir.read_credentials()
        if credentials is None:
            raise NotConfigured(f"{data_dir.path} has no credentials: no service has been started there")
        store = open_store(credentials, database_url)
        try:
            require_no_other_service(store, data_dir)
            if "swift" in names:
                _require_no_running_training(store)
            credentials = finish_rotation(store, credentials)
        finally:
            store.close()
        rotated = _with_new_keys(credentials, names)
        data_dir.save(rotated)
        store = open_store(rotated, database_url)
        try:
            count = _reencrypt(store, rotated)
        finally:
            store.close()
        data_dir.save(replace(rotated, previous_token_key=None, previous_swift_key=None))
    return RotationResult(tuple(name for name in KEY_NAMES if name in names), count)


def _with_new_keys(credentials: Credentials, names: Collection[KeyName]) -> Credentials:
    if "token" in names:
        credentials = replace(credentials, token_key=secrets.token_hex(32), previous_token_key=credentials.token_key)
    if "swift" in names:
        credentials = replace(
            credentials, swift_key=secrets.token_urlsafe(18), previous_swift_key=credentials.swift_key
        )
    if "password" in names:
        credentials = replace(credentials, password=secrets.token_urlsafe(18))
    return credentials


def _reencrypt(store: SqlStore, credentials: Credentials) -> int:
    return store.reencrypt_secrets(partial(_replace_swift_key, credentials=credentials))


def _replace_swift_key(definition: str, *, credentials: Credentials) -> str:
    """Return the JSON of a definition with the new key in the connections that have the previous one."""
    previous = credentials.previous_swift_key
    if previous is None:
        return definition

    def replace_in(value: Any) -> Any:
        match value:
            case {"password": password, **others} if password == previous:
                return {**replace_in(others), "password": credentials.swift_key}
            case dict():
                return {key: replace_in(inner) for key, inner in value.items()}
            case list():
                return [replace_in(inner) for inner in value]
        return value

    return json.dumps(replace_in(json.loads(definition)))


def require_no_other_service(store: SqlStore, data_dir: DataDir) -> None:
    """Raise `HostError` if a service of another data directory is the dispatcher of the database."""
    now = utc_now()
    holder = f"{socket.gethostname()}:{data_dir.path}"
    if not store.acquire_lease(LEASE_ROLE, holder, now, now + timedelta(microseconds=1)):
        raise HostError(
            "Another service uses the database: stop it, and try again "
            f"{LEASE_DURATION.total_seconds():g} s later. All services of one database have the same token key: copy "
            "token_key from credentials.json of this data directory to the others after the rotation"
        )


def _require_no_running_training(store: SqlStore) -> None:
    running = [one.id for one in store.list_unfinished() if one.started_at is not None]
    if running:
        raise HostError(
            f"{len(running)} trainings are running ({', '.join(running[:3])}…), which store their results with the "
            "present Swift key: airflow-dlaas drain on, wait until drain status has none, and stop the service then"
        )


def _derive_key(token_key: str | None) -> bytes | None:
    return None if token_key is None else derive_key(bytes.fromhex(token_key))
