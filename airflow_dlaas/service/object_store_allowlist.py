"""
The allowlist of object stores: the hosts that training definitions may name. The service calls no other object store.

No I/O: hosts are compared as text, and no name is resolved. The allowlist holds for the URL of a connection, for the
storage URL in the response to a login (Swift v1: ``X-Storage-Url``; Keystone: the endpoint in the catalogue), and for
the hosts of buckets (S3), so credentials and data go to an allowed host only. No cloud is allowed unless it is listed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from airflow_dlaas.exceptions import StoreNotAllowed

OBJECT_STORES_SETTING = "DLAAS_OBJECT_STORES"

_STRICT_URL_PATTERN = re.compile(
    # No `@`, backslash, escape or blank before the path: two parsers may find two different hosts in such a URL.
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?:/[!-\[\]-~]*)?",
    re.ASCII | re.IGNORECASE,
)
_ENTRY_PATTERN = re.compile(
    r"(?P<host>\[[0-9a-f:.]+\]|(?:\*\.)?[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII | re.IGNORECASE
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, order=True)
class HostPort:
    """A host and one of its ports, or (None) all of them, in normalized spelling: equal hosts compare equal."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def matches(self, other: HostPort) -> bool:
        """Whether *other* is equal to this entry, or is one of the hosts that its ``*.`` stands for."""
        if self.port is not None and self.port != other.port:
            return False
        return other.host.endswith(self.host[1:]) if self.host.startswith("*.") else other.host == self.host


@dataclass(frozen=True)
class ObjectStoreAllowlist:
    """The object stores that may be called: a set of hosts, or (`anything`) all."""

    hosts: frozenset[HostPort] = frozenset()
    anything: bool = False

    @classmethod
    def parse(cls, text: str) -> ObjectStoreAllowlist:
        """
        Parse the setting: ``any``, or entries separated by commas.

        An entry is ``host`` (all its ports), ``host:port`` or ``*.example.org``.

        :raises ValueError: an entry has none of these forms.
        """
        if text.strip().lower() == "any":
            return cls(anything=True)
        return cls(frozenset(_parse_entry(one.strip()) for one in text.split(",")))

    def with_urls(self, urls: Iterable[str]) -> ObjectStoreAllowlist:
        """Return an allowlist that also has the hosts of *urls*, each with exactly the port in the URL."""
        added = {host_port for host_port in map(parse_host_port, urls) if host_port is not None}
        return ObjectStoreAllowlist(self.hosts | added, self.anything)

    def allows(self, url: str) -> bool:
        """Whether *url* may be called. A URL in which two parsers may find different hosts is never allowed."""
        host_port = parse_host_port(url)
        return host_port is not None and (self.anything or any(entry.matches(host_port) for entry in self.hosts))

    def require_allowed(self, storage_url: str) -> None:
        """
        Check a URL that follows from a connection: in the response to a login, or with a bucket in its host.

        :raises StoreNotAllowed: the host of *storage_url* is not allowed.
        """
        if self.allows(storage_url):
            return
        host_port = parse_host_port(storage_url)
        if host_port is None:
            raise StoreNotAllowed("The data is at a URL that is not plainly the URL of one host")
        raise StoreNotAllowed(
            f"The data is at a URL on {host_port}, which is no object store that this site allows "
            f"({self.description}): if the data is stored there, the operator of the service adds {host_port} to "
            f"{OBJECT_STORES_SETTING}"
        )

    @cached_property
    def description(self) -> str:
        """The hosts as a text for error messages."""
        return ", ".join(map(str, sorted(self.hosts, key=str))) or "none"


ALLOW_NONE = ObjectStoreAllowlist()
ALLOW_ANY = ObjectStoreAllowlist(anything=True)


def parse_host_port(url: str) -> HostPort | None:
    """
    Return the host and the port of *url*; without a port, the default port of the scheme.

    None if *url* is not plainly the HTTP URL of one host.
    """
    found = _STRICT_URL_PATTERN.fullmatch(url)
    if found is None:
        return None
    try:
        port = _parse_port(found["port"])
        return HostPort(_parse_host(found["host"]), _DEFAULT_PORTS[found["scheme"].lower()] if port is None else port)
    except ValueError:
        return None


def _parse_entry(text: str) -> HostPort:
    # An IPv6 address without a port needs no brackets.
    found = _ENTRY_PATTERN.fullmatch(f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text)
    if found is None:
        raise ValueError(text)
    return HostPort(_parse_host(found["host"]), _parse_port(found["port"]))


def _parse_port(text: str | None) -> int | None:
    if text is None:
        return None
    port = int(text)
    if not 0 < port <= 65535:
        raise ValueError(text)
    return port


def _parse_host(text: str) -> str:
    name = text.lower()
    if name.startswith("["):
        address = ipaddress.IPv6Address(name[1:-1])
        return str(address.ipv4_mapped or address)
    name = name.removesuffix(".")
    if not name or ".." in name or name.startswith("."):
        raise ValueError(text)
    if name.startswith("*.") and not re.search("[a-z]", name.rpartition(".")[2]):
        raise ValueError(text)  # part of an IPv4 address: its last digits do not identify an owner, as a domain does
    return name
