"""Wrong passwords, counted: who guesses has to wait, and nobody else. A pure count; the time is handed in."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

V = TypeVar("V")

ATTEMPTS = 10
"""Failures in a row, for one login from one address, after which it has to wait."""
PENALTY = timedelta(seconds=30)
"""How long it has to wait, counted from the last failure that was looked at."""

SPRAYED = 50
"""Failures from one address, whatever the logins, after which all of it has to wait."""
FORGIVEN_EVERY = timedelta(seconds=10)
"""How often one of these is forgotten. More often than a single login that waits its turn can fail: one task with an
old password never locks out the others of its machine."""

REMEMBERED = 10_000
"""How many of each kind are remembered at most; an entry is of one size, however long the login is."""


@dataclass
class Failures:
    """The failures of the last while. Not thread-safe."""

    _pairs: dict[bytes, tuple[int, datetime]] = field(default_factory=dict, repr=False)
    _addresses: dict[bytes, tuple[float, datetime]] = field(default_factory=dict, repr=False)

    def wait(self, login: str, address: str, now: datetime) -> timedelta:
        """How long *login* has to wait at *address* before its password is looked at; zero or less: not at all."""
        network = _network(address)
        count, last = self._pairs.get(_key(login, network), (0, now))
        pair = last + PENALTY - now if count >= ATTEMPTS else timedelta()
        level = self._level(_key(network), now)
        return max(pair, (level - SPRAYED + 1) * FORGIVEN_EVERY) if level > SPRAYED - 1 else pair

    def note(self, login: str, address: str, now: datetime) -> None:
        """Remember that *login* failed at *address*."""
        network = _network(address)
        pair, whole = _key(login, network), _key(network)
        count, last = self._pairs.pop(pair, (0, now))
        forgotten = now - last > PENALTY and count < ATTEMPTS
        _keep(self._pairs, pair, (1 if forgotten else count + 1, now))
        _keep(self._addresses, whole, (self._level(whole, now) + 1, now))

    def forgive(self, login: str, address: str) -> None:
        """Forget the failures of *login* at *address*: its password was right. Those of other logins stay."""
        self._pairs.pop(_key(login, _network(address)), None)

    def _level(self, key: bytes, now: datetime) -> float:
        level, last = self._addresses.get(key, (0.0, now))
        return max(0.0, level - (now - last) / FORGIVEN_EVERY)


def _keep(memory: MutableMapping[bytes, V], key: bytes, value: V) -> None:
    # Where too many are remembered, the oldest are let go: one that fails again is remembered anew.
    memory.pop(key, None)
    while len(memory) >= REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value


def _key(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).digest()[:16]


def _network(address: str) -> str:
    """Whoever has one IPv6 address has 2 ** 64 of them: they count as one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, 64), strict=False))
