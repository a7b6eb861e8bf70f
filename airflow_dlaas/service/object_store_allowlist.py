"""
Which object stores a definition may name: the site says so, and nothing else is ever called.

Pure: names are compared as they are written, and none is looked up. What holds for a login's address also holds for the
storage URL that the login answers with (Swift v1's ``X-Storage-Url``, the endpoint in Keystone's catalogue): token and
data go to an allowed host only.
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
    # No `@`, no backslash, no escapes and no blanks before the path: these are what two parsers read as two hosts.
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?:/[!-\[\]-~]*)?",
    re.ASCII | re.IGNORECASE,
)
_ENTRY_PATTERN = re.compile(
    r"(?P<host>\[[0-9a-f:.]+\]|(?:\*\.)?[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII | re.IGNORECASE
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, order=True)
class HostPort:
    """A host and one port of it, or any: as one writes it who means the same."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def matches(self, other: HostPort) -> bool:
        """Whether *other* is this one, or one of those that ``*.`` stands for."""
        if self.port is not None and self.port != other.port:
            return False
        return other.host.endswith(self.host[1:]) if self.host.startswith("*.") else other.host == self.host


@dataclass(frozen=True)
class ObjectStoreAllowlist:
    """The object stores that may be called: some hosts, or any at all."""

    hosts: frozenset[HostPort] = frozenset()
    anything: bool = False

    @classmethod
    def parse(cls, text: str) -> ObjectStoreAllowlist:
        """
        Read what a site says: ``host`` (any port of it), ``host:port``, ``*.example.org``, by commas, or ``any``.

        :raises ValueError: something of it is none of these.
        """
        if text.strip().lower() == "any":
            return cls(anything=True)
        return cls(frozenset(_parse_entry(one.strip()) for one in text.split(",")))

    def with_urls(self, urls: Iterable[str]) -> ObjectStoreAllowlist:
        """Allow the hosts of *urls*, too: exactly their ports."""
        more = {place for place in map(parse_host_port, urls) if place is not None}
        return ObjectStoreAllowlist(self.hosts | more, self.anything)

    def allows(self, url: str) -> bool:
        """Whether *url* may be called. One that two programs could read differently may not, whatever it says."""
        place = parse_host_port(url)
        return place is not None and (self.anything or any(one.matches(place) for one in self.hosts))

    def require_allowed(self, storage_url: str) -> None:
        """
        Check the storage URL that a login has answered with.

        :raises StoreNotAllowed: it is on a host that is not allowed.
        """
        if self.allows(storage_url):
            return
        place = parse_host_port(storage_url)
        if place is None:
            raise StoreNotAllowed("The login names a storage URL that is not plainly the URL of one host")
        raise StoreNotAllowed(
            f"The login names a storage URL on {place}, which is no object store that this site allows "
            f"({self.description}): the operator of the service adds {place} to {OBJECT_STORES_SETTING}, if the data lies there"
        )

    @cached_property
    def description(self) -> str:
        """Name all of them, for a person."""
        return ", ".join(map(str, sorted(self.hosts, key=str))) or "none"


ALLOW_NONE = ObjectStoreAllowlist()
ALLOW_ANY = ObjectStoreAllowlist(anything=True)


def parse_host_port(url: str) -> HostPort | None:
    """Tell host and port of *url*, the scheme's own port where it names none; None if it isn't plainly one host."""
    found = _STRICT_URL_PATTERN.fullmatch(url)
    if found is None:
        return None
    try:
        port = _parse_port(found["port"])
        return HostPort(_parse_host(found["host"]), _DEFAULT_PORTS[found["scheme"].lower()] if port is None else port)
    except ValueError:
        return None


def _parse_entry(text: str) -> HostPort:
    # An IPv6 address may stand alone, without the brackets that a port calls for.
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
        raise ValueError(text)  # part of an IPv4 address: its end says nothing about who it is
    return name
