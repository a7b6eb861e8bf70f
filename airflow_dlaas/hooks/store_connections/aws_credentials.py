"""
Finds the credentials for an S3 store: of the connection, a profile, a role, or the machine.

If Airflow's provider `amazon` is installed, its hook finds them, so that a connection means the same for all operators.
Otherwise botocore does: it reads keys, profiles and the machine's own role, and assumes roles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from botocore.configprovider import ConfiguredEndpointProvider
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
    FileWebIdentityTokenLoader,
    ReadOnlyCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    MetadataRetrievalError,
    ParamValidationError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.session import Session
from pydantic import SecretStr

from airflow_dlaas.contract.store_connections import S3StoreConnection
from airflow_dlaas.exceptions import NotConfigured, StoreRefused, StoreUnreachable
from airflow_dlaas.hooks.store_connections.credentials import FoundCredentials

if TYPE_CHECKING:
    from airflow_dlaas.hooks.store_connections.aws import AssumedRole, AwsFields

MAX_SESSION_NAME_LENGTH = 64
"""Characters of the name of a session at AWS."""

WEB_IDENTITY = "assume_role_with_web_identity"


def has_amazon_provider() -> bool:
    """Return whether Airflow's provider `amazon` is installed; imports nothing of it."""
    return find_spec("airflow.providers.amazon") is not None


def find_aws_credentials(fields: AwsFields) -> FoundCredentials:
    """
    Find the credentials of a connection of type `aws` that are valid now. It may block.

    :raises NotConfigured: there are none; the message names the connection.
    :raises StoreError: the service that issues them refuses, or does not respond.
    """
    with _translate_errors(fields):
        session = _make_session(fields)
        region = fields.region or session.get_config_variable("region")
        make = partial(_make_connection, fields, region, fields.endpoint_url or _configured_endpoint(session))
        if fields.anonymous:
            return FoundCredentials(make(None))
        credentials = _amazon_credentials(fields) if has_amazon_provider() else _botocore_credentials(fields, session)
        if credentials is None:
            raise NotConfigured(
                f"Connection {fields.conn_id!r}: has no access key id (login) and secret access key (password), and "
                "there are no other credentials on this machine: no profile, environment or role"
            )
        frozen = credentials.get_frozen_credentials()
    if not isinstance(credentials, RefreshableCredentials):
        return FoundCredentials(make(frozen), is_temporary=bool(frozen.token))

    last = [(frozen, make(frozen))]

    def renew() -> S3StoreConnection:
        with _translate_errors(fields):
            keys = credentials.get_frozen_credentials()
        known, connection = last[0]
        if keys is not known:
            connection = make(keys)
            last[0] = (keys, connection)
        return connection

    # botocore has no public name for the time; without it, only a message has less to state.
    expires: datetime | None = getattr(credentials, "_expiry_time", None)
    return FoundCredentials(last[0][1], expires, renew, is_temporary=True)


def _make_session(fields: AwsFields) -> Session:
    session = Session(profile=fields.profile)
    if fields.profile is not None:
        session.get_scoped_config()  # raises an error if there is no such profile
    return session


def _configured_endpoint(session: Session) -> str | None:
    """Return the endpoint of S3 from the environment (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL) or the profile."""
    provider = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "s3")
    found: str | None = provider.provide()
    return found


def _make_connection(
    fields: AwsFields, region: str | None, endpoint_url: str | None, keys: ReadOnlyCredentials | None
) -> S3StoreConnection:
    place: dict[str, Any] = {"endpoint_url": endpoint_url, "region": region, "addressing": fields.addressing}
    if keys is None:
        return S3StoreConnection(**place, anonymous=True)
    return S3StoreConnection(
        **place,
        access_key_id=keys.access_key,
        secret_access_key=SecretStr(keys.secret_key),
        session_token=SecretStr(keys.token) if keys.token else None,
    )


def _amazon_credentials(fields: AwsFields) -> Credentials | None:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    return AwsBaseHook(aws_conn_id=fields.conn_id, client_type="s3").get_session().get_credentials()


def _botocore_credentials(fields: AwsFields, session: Session) -> Credentials | None:
    own: Credentials | None
    if fields.access_key_id and fields.secret_access_key:
        own = Credentials(fields.access_key_id, fields.secret_access_key, fields.session_token)
    elif fields.role is not None and fields.role.method == WEB_IDENTITY:
        own = None  # the token is the identity
    else:
        own = session.get_credentials()
    return own if fields.role is None else _assume_role(fields, fields.role, session, own)


def _assume_role(
    fields: AwsFields, role: AssumedRole, session: Session, source: Credentials | None
) -> Credentials | None:
    create_client = partial(session.create_client, region_name=fields.region, verify=_verify_of(fields))
    arguments = json.loads(role.arguments)
    arguments.setdefault("RoleSessionName", _session_name(fields.conn_id))
    fetcher: AssumeRoleCredentialFetcher | AssumeRoleWithWebIdentityCredentialFetcher
    if role.method == "assume_role":
        if source is None:
            return None
        fetcher = AssumeRoleCredentialFetcher(create_client, source, role.arn, arguments)
    elif role.method == WEB_IDENTITY and role.token_file is not None:
        loader = FileWebIdentityTokenLoader(role.token_file)
        fetcher = AssumeRoleWithWebIdentityCredentialFetcher(create_client, loader, role.arn, arguments)
    else:
        raise NotConfigured(
            f"Connection {fields.conn_id!r}: assume_role_method in its extra is {role.method}, which needs the package "
            "apache-airflow-providers-amazon"
        )
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, role.method)


def _verify_of(fields: AwsFields) -> bool | str | None:
    """Return how a request to AWS checks certificates; None for botocore's default."""
    return None if fields.verify is True else fields.verify


def _session_name(conn_id: str) -> str:
    """Return the name of the session, which AWS shows in its logs."""
    return re.sub(r"[^\w+=,.@-]", "-", f"airflow_{conn_id}", flags=re.ASCII)[:MAX_SESSION_NAME_LENGTH]


@contextmanager
def _translate_errors(fields: AwsFields) -> Iterator[None]:
    """Raise the errors of botocore as ours, with the name of the connection."""
    where = f"Connection {fields.conn_id!r}"
    try:
        yield
    except ProfileNotFound:
        raise NotConfigured(
            f"{where}: there is no profile {fields.profile!r} (profile_name in its extra) in the AWS configuration of "
            "this machine"
        ) from None
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise StoreRefused(f"{where}: AWS refused the credentials: {error.operation_name} failed with {code}") from None
    except (BotocoreConnectionError, HTTPClientError, MetadataRetrievalError) as error:
        raise StoreUnreachable(f"{where}: the service that issues credentials does not respond: {error}") from None
    except ParamValidationError:  # its message may have the value
        raise NotConfigured(
            f"{where}: role_arn, external_id or assume_role_kwargs in its extra is not what AWS accepts for AssumeRole"
        ) from None
    except BotoCoreError as error:
        raise NotConfigured(f"{where}: {error}") from None
    except OSError as error:
        raise NotConfigured(f"{where}: {error.strerror}: {error.filename}") from None
