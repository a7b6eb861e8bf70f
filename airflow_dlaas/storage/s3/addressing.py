"""Where the requests of a bucket go: the endpoint in its region, and the bucket in the path or in the host. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from airflow_dlaas.contract.format_value import format_value
from airflow_dlaas.contract.store_connections import Addressing
from airflow_dlaas.exceptions import InvalidName

DEFAULT_REGION = "us-east-1"
"""The region of a connection that names none. Servers other than AWS usually accept it, or name theirs in an error."""

UNRESERVED = "-_.~"
"""Punctuation that the signature expects unquoted (RFC 3986)."""

_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_AWS_HOST = re.compile(r"s3(?:[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.(?P<domain>amazonaws\.com(?:\.cn)?)")
_DNS_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes."""

    base_url: str
    """The URL of the server, which may have a path; as `HttpRequest.base_url`."""
    path: str
    """The path below it, quoted."""
    server_url: str
    """The URL that must be allowed. For AWS it is that of the endpoint: all hosts below it are S3, too."""

    @property
    def host(self) -> str:
        """The value of the Host header, as the HTTP client sends it."""
        return urlsplit(self.base_url).netloc

    @property
    def signed_path(self) -> str:
        """The whole path of the request."""
        return (urlsplit(self.base_url).path + self.path) or "/"


def normalize_endpoint(url: str) -> str:
    """Return *url* without a slash at its end and without the default port; the host in lower case."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    has_port = parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{host}{f':{parts.port}' if has_port else ''}{parts.path.rstrip('/')}"


def is_region(text: str) -> bool:
    """Whether *text*, from a response, can be the name of a region, which becomes a part of a host name."""
    return _REGION.fullmatch(text) is not None


def endpoint_region(endpoint_url: str) -> str:
    """Return the region that the host of AWS in *endpoint_url* has, or else the default."""
    found = _AWS_HOST.fullmatch(urlsplit(endpoint_url).hostname or "")
    return (found["region"] if found else None) or DEFAULT_REGION


def endpoint_in_region(endpoint_url: str, region: str) -> str:
    """Return the endpoint of AWS in *region*; that of any other server stays, because it serves all its regions."""
    parts = urlsplit(endpoint_url)
    found = _AWS_HOST.fullmatch(parts.hostname or "")
    if found is None or (found["region"] or DEFAULT_REGION) == region:
        return endpoint_url
    return f"{parts.scheme}://s3.{region}.{found['domain']}"


def address_of(endpoint_url: str, addressing: Addressing, bucket: str = "", name: str = "") -> Address:
    """
    Return the address of the server, of a bucket, or of an object.

    ``auto`` puts the bucket into the host name for AWS only, and only if the certificate of AWS has that host name: a
    wildcard stands for one label, so the bucket must have no dot.

    :raises InvalidName: the bucket must be, and cannot be, a part of the host name.

    """
    path = f"/{quote(name, safe='/' + UNRESERVED)}" if name else ""
    parts = urlsplit(endpoint_url)
    is_aws = _AWS_HOST.fullmatch(parts.hostname or "") is not None
    is_host_label = _DNS_NAME.fullmatch(bucket) is not None
    if not bucket or addressing == "path" or (addressing == "auto" and not (is_aws and is_host_label)):
        return Address(endpoint_url, f"/{quote(bucket, safe=UNRESERVED)}{path}" if bucket else "/", endpoint_url)
    if not is_host_label:
        raise InvalidName(
            f"container: {format_value(bucket)} cannot be a part of a host name, as the connection's addressing "
            "'virtual' requires: set addressing to 'path'"
        )
    base_url = f"{parts.scheme}://{bucket}.{parts.netloc}{parts.path}"
    return Address(base_url, path or "/", endpoint_url if is_aws else base_url)
