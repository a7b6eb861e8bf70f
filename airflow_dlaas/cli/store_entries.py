"""
The connections to object stores in connections.json, and those of variables, as a definition has them.

The fields are those of Airflow's connections of the types `swift`, `aws` and `google_cloud_platform`. The console sends
the credentials to the service with a definition, so they must be keys: a profile, a role or the machine's own
credentials end before the training does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.exceptions import NotConfigured

KEYSTONE_KEYS = ("project_id", "region", "domain_name")
"""The keys of a Swift behind Keystone v3, as a definition and the extra of a connection have them."""

STORE_VARIABLES = {"auth_url": "ST_AUTH", "userId": "ST_USER", "password": "ST_KEY"}
"""The variables of the `swift` command for its v1 authentication, by the key of a definition's connection."""

S3_VARIABLES = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
    "endpoint_url": "AWS_ENDPOINT_URL",
    "region": "AWS_REGION",
}
"""The variables of the `aws` command, by the key of a definition's connection; the first two are required."""

GOOGLE_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
"""The variable with the path of the key of a service account."""

_REQUIRED_VARIABLES = {
    "swift": tuple(STORE_VARIABLES.values()),
    "aws": tuple(S3_VARIABLES.values())[:2],
    "google_cloud_platform": (GOOGLE_VARIABLE,),
}

VARIABLE_NAMES = {
    "swift": "ST_AUTH, ST_USER and ST_KEY",
    "aws": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "google_cloud_platform": GOOGLE_VARIABLE,
}
"""The required variables as a text, by the type of the connection."""


@dataclass(frozen=True)
class StoreEntry:
    """A connection to an object store as a definition has it."""

    store_type: StoreType
    connection: dict[str, str | bool] = field(repr=False)
    verify: bool | str | None = None
    """Whether to check certificates, or the authorities to trust; None if the connection has nothing about it."""


def entry_from_file(entry: Mapping[str, Any], place: str) -> StoreEntry:
    """
    Read a connection of a file for `airflow connections import`; its type must be one of `CONN_TYPES`.

    :raises NotConfigured: a field is missing or wrong; the message names it and *place*, and has no value.
    """
    try:
        extra = entry.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise NotConfigured(f"{place}: extra is not a JSON object")
    return _READERS[str(entry.get("conn_type"))](entry, extra, place)


def has_store_variables(conn_type: str, environment: Mapping[str, str]) -> bool:
    """Whether *environment* has a variable of a store for connections of *conn_type*."""
    return any(environment.get(name) for name in _REQUIRED_VARIABLES[conn_type])


def entry_from_variables(conn_type: str, environment: Mapping[str, str]) -> StoreEntry:
    """
    Return the store of the variables for connections of *conn_type*.

    :raises NotConfigured: a variable is missing, or the file that one names cannot be read.
    """
    missing = [name for name in _REQUIRED_VARIABLES[conn_type] if not environment.get(name)]
    if missing:
        names = VARIABLE_NAMES[conn_type]
        raise NotConfigured(f"{' and '.join(missing)} must be set too: {names} belong together")
    if conn_type == "google_cloud_platform":
        credentials = _read_key_file(environment[GOOGLE_VARIABLE], GOOGLE_VARIABLE)
        return StoreEntry(StoreType.GCS, {"credentials": credentials})
    variables = S3_VARIABLES if conn_type == "aws" else STORE_VARIABLES
    connection: dict[str, str | bool] = {
        key: environment[name] for key, name in variables.items() if environment.get(name)
    }
    return StoreEntry(StoreType.S3 if conn_type == "aws" else StoreType.SOFTLAYER, connection)


def _read_swift(entry: Mapping[str, Any], extra: Mapping[str, Any], place: str) -> StoreEntry:
    connection = _required(entry, {"auth_url": "host", "userId": "login", "password": "password"}, place)
    keystone = _optional(extra, {key: key for key in KEYSTONE_KEYS}, place)
    if len(keystone) == len(KEYSTONE_KEYS):
        return StoreEntry(StoreType.BLUEMIX, {**connection, **keystone}, _verify(extra))
    return StoreEntry(StoreType.SOFTLAYER, connection, _verify(extra))


def _read_aws(entry: Mapping[str, Any], extra: Mapping[str, Any], place: str) -> StoreEntry:
    keys = {"session_token": "aws_session_token", "region": "region_name", "endpoint_url": "endpoint_url"}
    connection = _optional(extra, keys, place)
    config = extra.get("config_kwargs")
    options = config.get("s3") if isinstance(config, dict) else None
    if isinstance(options, dict):
        connection |= _optional(options, {"addressing": "addressing_style"}, place)
    if isinstance(config, dict) and config.get("signature_version") == "unsigned":
        return StoreEntry(StoreType.S3, {**connection, "anonymous": True}, _verify(extra))
    required = _required(entry, {"access_key_id": "login", "secret_access_key": "password"}, place)
    return StoreEntry(StoreType.S3, {**required, **connection}, _verify(extra))


def _read_google(entry: Mapping[str, Any], extra: Mapping[str, Any], place: str) -> StoreEntry:  # noqa: ARG001 - as the others
    prefix = "extra__google_cloud_platform__"
    extra = {key.removeprefix(prefix): value for key, value in extra.items()}
    connection = _optional(extra, {"project_id": "project", "endpoint_url": "endpoint_url"}, place)
    key, path = extra.get("keyfile_dict"), extra.get("key_path")
    if extra.get("is_anonymous") is True:
        return StoreEntry(StoreType.GCS, {**connection, "anonymous": True}, _verify(extra))
    if key:
        credentials = key if isinstance(key, str) else json.dumps(key)
    elif isinstance(path, str) and path:
        credentials = _read_key_file(path, f"{place}: key_path")
    else:
        raise NotConfigured(f"{place}: keyfile_dict or key_path is missing: the key of a service account")
    return StoreEntry(StoreType.GCS, {**connection, "credentials": credentials}, _verify(extra))


_READERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any], str], StoreEntry]] = {
    "swift": _read_swift,
    "aws": _read_aws,
    "google_cloud_platform": _read_google,
}

CONN_TYPES = tuple(_READERS)
"""The types of Airflow's connections to object stores."""

DEFAULT_NAMES = {"swift": "swift_default", "aws": "aws_default", "google_cloud_platform": "google_cloud_default"}
"""The name of the connection that variables stand for, by the type of the connection."""


def _required(entry: Mapping[str, Any], keys: Mapping[str, str], place: str) -> dict[str, str | bool]:
    missing = [key for key in keys.values() if not isinstance(entry.get(key), str) or not entry[key]]
    if missing:
        raise NotConfigured(f"{place}: {' and '.join(missing)} is missing or is no text")
    return {key: entry[name] for key, name in keys.items()}


def _optional(extra: Mapping[str, Any], keys: Mapping[str, str], place: str) -> dict[str, str | bool]:
    found = {key: extra[name] for key, name in keys.items() if extra.get(name)}
    if wrong := [keys[key] for key, value in found.items() if not isinstance(value, str)]:
        raise NotConfigured(f"{place}: {' and '.join(wrong)} in extra is no text")
    return found


def _verify(extra: Mapping[str, Any]) -> bool | str | None:
    ca_file = extra.get("ca_file")
    if isinstance(ca_file, str) and ca_file:
        return ca_file
    return False if extra.get("verify") is False else None


def _read_key_file(path: str, place: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise NotConfigured(f"{place}: {path} cannot be read: {why}") from None
