"""The fields of Airflow connections of the type `aws`, for S3. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from airflow_dlaas.contract.store_connections import Addressing
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.hooks.airflow_connection import AirflowConnection
from airflow_dlaas.hooks.connections import read_verify
from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection
from airflow_dlaas.hooks.store_connections.credentials import FoundCredentials
from airflow_dlaas.hooks.store_connections.extra import Extra

ADDRESSING_STYLES = ("auto", "path", "virtual")

ASSUME_ROLE_METHODS = ("assume_role", "assume_role_with_web_identity", "assume_role_with_saml")
"""How a role is assumed; the names are those of the provider `amazon`."""


@dataclass(frozen=True)
class AssumedRole:
    """A role whose temporary credentials are used."""

    arn: str
    method: str
    arguments: str = field(repr=False)
    """Further arguments of the request, as JSON."""
    token_file: str | None = None
    """The file with the token of a web identity."""


@dataclass(frozen=True)
class AwsFields:
    """
    The address of an S3 store, and where its credentials come from: a key, a profile, or else botocore's own search.

    That search reads the environment, the default profile, a web identity, and the role of the container or machine.
    """

    conn_id: str
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    role: AssumedRole | None = None
    region: str | None = None
    endpoint_url: str | None = None
    addressing: Addressing | None = None
    anonymous: bool = False
    verify: bool | str = True

    @property
    def user(self) -> str:
        """The role, the key or the profile, in words."""
        if self.anonymous:
            return "requests without credentials"
        if self.role is not None:
            return f"the role {self.role.arn}"
        if self.access_key_id is not None:
            return f"the access key {self.access_key_id}"
        return f"the profile {self.profile}" if self.profile else "the credentials of this machine"

    def find_credentials(self) -> FoundCredentials:
        """
        Find the credentials that are valid now, with the provider `amazon` if it is installed, or else with botocore.

        :raises NotConfigured: there are none.
        :raises StoreError: the service that issues them refuses, or does not respond.
        """
        from airflow_dlaas.hooks.store_connections.aws_credentials import find_aws_credentials

        return find_aws_credentials(self)


def read_aws_connection(connection: AirflowConnection) -> ObjectStoreConnection:
    """
    Read a connection of type `aws`, with the fields of Airflow's provider `amazon`:

    - **AWS Access Key ID** (login) and **AWS Secret Access Key** (password), with extra ``aws_session_token`` for
      temporary ones. Without them, extra ``profile_name``, or what botocore finds on the worker.
    - extra ``role_arn``, ``assume_role_method``, ``assume_role_kwargs`` and ``external_id``: the role to assume.
    - extra ``region_name``.
    - extra ``endpoint_url``, ``service_config.s3.endpoint_url`` or the older ``host``: the address of another store.
    - extra ``config_kwargs``: ``s3.addressing_style``, and ``signature_version`` ``unsigned`` for requests without
      credentials.
    - extra ``verify`` (true, false or a file) and ``ca_file``.

    :raises NotConfigured: a field is missing or wrong; the message names connection and field.
    """
    conn_id, extra = connection.conn_id, Extra(connection.conn_id, connection.extra_dejson)
    login = connection.login or extra.text("aws_access_key_id")
    password = connection.password or extra.text("aws_secret_access_key")
    if bool(login) != bool(password):
        raise NotConfigured(
            f"Connection {conn_id!r}: the access key id (login) and the secret access key (password) are needed "
            "together; without both, a profile or the role of the machine is used"
        )
    config = extra.object("config_kwargs")
    verify = read_verify(connection, allow_path=True)
    fields = AwsFields(
        conn_id,
        login or None,
        password or None,
        extra.text("aws_session_token"),
        profile=extra.text("profile_name"),
        role=_read_role(extra),
        region=extra.text("region_name"),
        endpoint_url=_read_endpoint(extra),
        addressing=_read_addressing(extra, config),
        anonymous=config.get("signature_version") == "unsigned",
        verify=verify,
    )
    return ObjectStoreConnection(conn_id, "aws", StoreType.S3, fields, verify)


def _read_endpoint(extra: Extra) -> str | None:
    service = extra.object("service_config").get("s3")
    own = service.get("endpoint_url") if isinstance(service, Mapping) else None
    url = own or extra.text("endpoint_url") or extra.text("host")
    if url is None:
        return None
    from airflow_dlaas.contract.store_connections import require_http_url

    try:
        return require_http_url(str(url)).rstrip("/")
    except ValueError as error:
        raise extra.error("endpoint_url", str(error)) from None


def _read_role(extra: Extra) -> AssumedRole | None:
    arn = extra.text("role_arn")
    if arn is None:
        return None
    method = extra.text("assume_role_method") or ASSUME_ROLE_METHODS[0]
    if method not in ASSUME_ROLE_METHODS:
        raise extra.error("assume_role_method", f"must be one of {', '.join(ASSUME_ROLE_METHODS)}")
    arguments = dict(extra.object("assume_role_kwargs"))
    if external_id := extra.text("external_id"):
        arguments.setdefault("ExternalId", external_id)
    try:
        text = json.dumps(arguments, sort_keys=True)
    except TypeError:
        raise extra.error("assume_role_kwargs", "must have values of JSON") from None
    return AssumedRole(arn, method, text, extra.text("assume_role_with_web_identity_token_file"))


def _read_addressing(extra: Extra, config: Mapping[str, Any]) -> Addressing | None:
    options = config.get("s3")
    style = options.get("addressing_style") if isinstance(options, Mapping) else None
    if style is not None and style not in ADDRESSING_STYLES:
        raise extra.error("config_kwargs.s3.addressing_style", f"must be one of {', '.join(ADDRESSING_STYLES)}")
    return cast("Addressing | None", style)
