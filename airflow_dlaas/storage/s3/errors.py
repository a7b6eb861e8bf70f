"""What failed responses of S3 mean, as errors of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPMessage

from airflow_dlaas.contract.store_connections import S3StoreConnection
from airflow_dlaas.exceptions import (
    ContainerNotFound,
    Corrupted,
    ObjectNotFound,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.storage.http.errors import NETWORK_ERRORS, HttpResponseError, network_error
from airflow_dlaas.storage.s3.responses import parse_error

TRANSIENT_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)
NO_SUCH_UPLOAD = "NoSuchUpload"
"""The code for an upload of parts that is complete or was deleted."""

GONE_CODES = frozenset({"InvalidPart", "InvalidPartOrder", NO_SUCH_UPLOAD})
"""Codes after which the parts are not those that were sent: another upload of the same name has replaced them."""

DAMAGED_CODES = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"})
"""Codes of a server that received other content than its MD5."""

_FULL_CODES = frozenset({"EntityTooLarge", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"})
_TOKEN_CODES = frozenset({"ExpiredToken", "InvalidToken", "TokenRefreshRequired"})
_DENIED_CODES = frozenset({"AccessDenied", "AccountProblem", "AllAccessDisabled"})
_TRANSIENT_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_FULL_STATUSES = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE})

NOT_IMPLEMENTED_CODES = frozenset({"MethodNotAllowed", "NotImplemented"})
"""Codes of a server without an operation."""


@dataclass(frozen=True, slots=True)
class ConnectionKeys:
    """The URL of a connection, and the keys of the fields that errors name, as the connection spells them."""

    url: str
    url_key: str
    user_key: str
    secret_key: str

    @classmethod
    def of(cls, connection: S3StoreConnection) -> ConnectionKeys:
        """Return those of *connection*."""
        users = {
            "access_key_id": connection.access_key_id,
            "aws_access_key_id": connection.aws_access_key_id,
            "userId": connection.user_id,
            "user_name": connection.user_name,
        }
        secrets = {
            "secret_access_key": connection.secret_access_key,
            "aws_secret_access_key": connection.aws_secret_access_key,
            "password": connection.password,
        }
        return cls(
            connection.url,
            connection.url_key,
            next((key for key, value in users.items() if value), "access_key_id"),
            next((key for key, value in secrets.items() if value), "secret_access_key"),
        )


@contextmanager
def translate_errors(keys: ConnectionKeys, container: str | None = None, name: str | None = None) -> Iterator[None]:
    """
    Translate errors of HTTP in the block into errors of this package, with the original as their cause.

    :param container: the container, and *name* the object, that the request is about.
    """
    try:
        yield
    except HttpResponseError as error:
        raise response_error(error, keys, container, name) from error
    except NETWORK_ERRORS as error:
        raise network_error(error, keys.url, keys.url_key) from error


@contextmanager
def translate_parse_errors(keys: ConnectionKeys) -> Iterator[None]:
    """Translate errors of the block, which parses a response, into the error that the response is not one of S3."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StoreError(f"{keys.url} sent a response that is not one of S3: check {keys.url_key}") from error


def response_error(
    error: HttpResponseError, keys: ConnectionKeys, container: str | None, name: str | None
) -> StoreError:
    """Return the error that a response with a status of 300 or more means. Its code, if it has one, is more exact."""
    code, status = parse_error(error.body).code, error.status
    target = f"{container}/{name}" if name else container or "the account"
    cause = f"{status} {code or error.reason}"
    store = f"The object store at {keys.url}"
    refused = _refused_reason(code, keys)
    if refused:
        return StoreRefused(f"{store} denies access to {target} ({cause}): {refused}")
    if code in DAMAGED_CODES or code in GONE_CODES:
        reason = "it did not arrive as it was sent" if code in DAMAGED_CODES else "its parts are gone or were replaced"
        return Corrupted(f"{target} was not stored at {keys.url}: {reason} ({cause})")
    if code in _FULL_CODES or status in _FULL_STATUSES:
        return StoreFull(f"{store} has no room for {target} ({cause}): {_full_reason(code, status)}")
    if code == "NoSuchBucket" or (status == HTTPStatus.NOT_FOUND and container and not name and not code):
        return ContainerNotFound(
            f"There is no container {container!r} at {keys.url}: check its name, or create it first"
        )
    if name and (code == "NoSuchKey" or status == HTTPStatus.NOT_FOUND):
        return ObjectNotFound(f"There is no object {name!r} in container {container!r} at {keys.url}")
    if code == "InvalidObjectState":
        return StoreError(f"{target} is in an archive of {keys.url} ({cause}): restore it there before it is read")
    if code == "BucketNotEmpty":
        return StoreError(f"Container {container!r} at {keys.url} has objects: delete them first ({cause})")
    if code == "EntityTooSmall":
        return StoreError(f"{target} was sent in parts that are too small for {keys.url} ({cause}): send larger ones")
    if code in _DENIED_CODES or status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return StoreRefused(
            f"{store} denies this user access to {target} ({cause}): check the credentials and the access rights of "
            "the container"
        )
    is_server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    if code in TRANSIENT_CODES or status in _TRANSIENT_STATUSES or is_server_error:
        return StoreUnreachable(f"{store} cannot serve {target} now ({cause})")
    return StoreError(f"{store} refuses the request for {target} ({cause})")


def _refused_reason(code: str, keys: ConnectionKeys) -> str:
    """Return what to check after *code*; empty if it does not mean that the credentials are refused."""
    if code in {"InvalidAccessKeyId", "InvalidClientTokenId"}:
        return f"it does not know the access key: check {keys.user_key}"
    if code == "SignatureDoesNotMatch":
        return f"the secret key does not belong to the access key: check {keys.secret_key}"
    if code in _TOKEN_CODES:
        return "the token of the temporary credentials has expired or is wrong: renew session_token and both keys"
    if code == "RequestTimeTooSkewed":
        return "the clock of this machine differs from its clock by minutes: set the clock"
    if code == "BucketAlreadyExists":
        return "a container of this name belongs to another account: choose another name"
    return ""


def _full_reason(code: str, status: int) -> str:
    if code == "EntityTooLarge" or (not code and status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        return "the object is larger than it takes in one piece"
    if code == "QuotaExceeded" or "Quota" in code:
        return "the quota of the container or of the account is used up: delete objects, or request a larger quota"
    return "its disks are full: its operator has to make room"


def error_in_success(method: str, url: str, headers: HTTPMessage, body: bytes) -> HttpResponseError | None:
    """
    Return the error that a response with the status 200 has in its body; None if it has none.

    The status of a copy, and of the completion of an upload of parts, is sent before the server has done it.
    """
    code = parse_error(body).code
    if not code:
        return None
    status = HTTPStatus.SERVICE_UNAVAILABLE if code in TRANSIENT_CODES else HTTPStatus.BAD_REQUEST
    return HttpResponseError(method, url, status, code, headers, body)
