"""The fields of Airflow connections of the type `google_cloud_platform`, for Google Cloud Storage. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_dlaas.contract.store_connections import require_http_url
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.hooks.airflow_connection import AirflowConnection
from airflow_dlaas.hooks.connections import read_verify
from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection
from airflow_dlaas.hooks.store_connections.credentials import FoundCredentials
from airflow_dlaas.hooks.store_connections.extra import Extra

FIELD_PREFIX = "extra__google_cloud_platform__"
"""What older versions of the provider `google` wrote before the name of each extra field."""

PROVIDER_FIELDS = ("key_secret_name", "impersonation_chain", "credential_config_file")
"""Fields that only the provider `google` can use."""


@dataclass(frozen=True)
class GoogleFields:
    """
    Where the credentials for Google Cloud Storage come from: a key, or else Google's own search.

    That search reads the environment, the login of the user on this machine, and the account of the machine.
    """

    conn_id: str
    key: str | None = field(default=None, repr=False)
    """The JSON of the key of a service account."""
    key_path: str | None = None
    """The file with it, on this machine."""
    provider_field: str | None = None
    """The name of a field that only the provider `google` can use."""
    project: str | None = None
    endpoint_url: str | None = None
    anonymous: bool = False
    verify: bool | str = True

    @property
    def user(self) -> str:
        """The service account, in words."""
        if self.anonymous:
            return "requests without credentials"
        if self.key is not None:
            return f"the service account {json.loads(self.key)['client_email']}"
        return f"the key in {self.key_path}" if self.key_path else "the credentials of this machine"

    def find_credentials(self) -> FoundCredentials:
        """
        Find the credentials that are valid now: a key, or a token.

        :raises NotConfigured: there are none.
        :raises StoreError: the service that issues tokens refuses, or does not respond.
        """
        from airflow_dlaas.hooks.store_connections.google_credentials import find_google_credentials

        return find_google_credentials(self)


def read_google_connection(connection: AirflowConnection) -> ObjectStoreConnection:
    """
    Read a connection of type `google_cloud_platform`, with the extra fields of Airflow's provider `google`:

    - ``keyfile_dict``: the JSON of the key of a service account, as a text or an object; ``key_path``: the file with
      it on the workers. ``keyfile`` is either of them. Without a key, Google's own search finds credentials.
    - ``project``: the project in which containers are created.
    - ``is_anonymous``: requests without credentials.
    - ``endpoint_url``: another server with this API.
    - ``verify`` and ``ca_file``, as for the service.

    :raises NotConfigured: a field is wrong; the message names connection and field.
    """
    conn_id, extra = connection.conn_id, Extra(connection.conn_id, connection.extra_dejson, prefix=FIELD_PREFIX)
    verify = read_verify(connection)
    key, key_path = _read_key(conn_id, extra)
    fields = GoogleFields(
        conn_id,
        key,
        key_path,
        provider_field=next((name for name in PROVIDER_FIELDS if extra.get(name)), None),
        project=extra.text("project"),
        endpoint_url=_read_endpoint(extra),
        anonymous=extra.flag("is_anonymous"),
        verify=verify,
    )
    return ObjectStoreConnection(conn_id, "google_cloud_platform", StoreType.GCS, fields, verify)


def _read_key(conn_id: str, extra: Extra) -> tuple[str | None, str | None]:
    """Return the JSON of the key, or the path of its file."""
    given = [name for name in ("keyfile_dict", "key_path", "keyfile") if extra.get(name)]
    if len(given) > 1:
        raise NotConfigured(
            f"Connection {conn_id!r}: {' and '.join(given)} in its extra: only one of them may be given"
        )
    if not given:
        return None, None
    name = given[0]
    value = extra.get(name)
    if name == "key_path" or (name == "keyfile" and isinstance(value, str) and not value.lstrip().startswith("{")):
        return None, extra.text(name)
    return json.dumps(_require_key(extra, name, extra.object(name))), None


def _require_key(extra: Extra, name: str, key: Mapping[str, Any]) -> Mapping[str, Any]:
    missing = [part for part in ("client_email", "private_key") if not isinstance(key.get(part), str)]
    if key.get("type") != "service_account" or missing:
        raise extra.error(name, "must be the key of a service account, with type, client_email and private_key")
    # A private key that was pasted into a form has `\n` in the place of line breaks.
    return {**key, "private_key": str(key["private_key"]).replace("\\n", "\n")}


def _read_endpoint(extra: Extra) -> str | None:
    url = extra.text("endpoint_url")
    try:
        return None if url is None else require_http_url(url).rstrip("/")
    except ValueError as error:
        raise extra.error("endpoint_url", str(error)) from None
