"""Wrong passwords, counted: who guesses has to wait, and nobody else. A pure count; the time is handed in."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

V = TypeVar("V")

MAX_LOGIN_FAILURES = 10
"""Failures in a row, for one login from one address, after which it has to wait."""
LOCKOUT_TIME = timedelta(seconds=30)
"""How long it has to wait, counted from the last failure that was looked at."""

MAX_ADDRESS_FAILURES = 50
"""Failures from one address, whatever the logins, after which all of it has to wait."""
FAILURE_DECAY_INTERVAL = timedelta(seconds=10)
"""How often one of these is forgotten. More often than a single login that waits its turn can fail: one task with an
old password never locks out the others of its machine."""

MAX_ENTRIES = 10_000
"""How many of each kind are remembered at most; an entry is of one size, however long the login is."""


@dataclass
class LoginThrottle:
    """The failures of the last while. Not thread-safe."""

    _by_login: dict[bytes, tuple[int, datetime]] = field(default_factory=dict, repr=False)
    _by_address: dict[bytes, tuple[float, datetime]] = field(default_factory=dict, repr=False)

    def remaining_lockout(self, login: str, address: str, now: datetime) -> timedelta:
        """How long *login* has to wait at *address* before its password is looked at; zero or less: not at all."""
        network = _network(address)
        count, last = self._by_login.get(_hash_key(login, network), (0, now))
        pair = last + LOCKOUT_TIME - now if count >= MAX_LOGIN_FAILURES else timedelta()
        level = self._decayed_count(_hash_key(network), now)
        return (
            max(pair, (level - MAX_ADDRESS_FAILURES + 1) * FAILURE_DECAY_INTERVAL)
            if level > MAX_ADDRESS_FAILURES - 1
            else pair
        )

    def record_failure(self, login: str, address: str, now: datetime) -> None:
        """Remember that *login* failed at *address*."""
        network = _network(address)
        pair, whole = _hash_key(login, network), _hash_key(network)
        count, last = self._by_login.pop(pair, (0, now))
        forgotten = now - last > LOCKOUT_TIME and count < MAX_LOGIN_FAILURES
        _put_bounded(self._by_login, pair, (1 if forgotten else count + 1, now))
        _put_bounded(self._by_address, whole, (self._decayed_count(whole, now) + 1, now))

    def reset(self, login: str, address: str) -> None:
        """Forget the failures of *login* at *address*: its password was right. Those of other logins stay."""
        self._by_login.pop(_hash_key(login, _network(address)), None)

    def _decayed_count(self, key: bytes, now: datetime) -> float:
        level, last = self._by_address.get(key, (0.0, now))
        return max(0.0, level - (now - last) / FAILURE_DECAY_INTERVAL)


def _put_bounded(entries: MutableMapping[bytes, V], key: bytes, value: V) -> None:
    # Where too many are remembered, the oldest are let go: one that fails again is remembered anew.
    entries.pop(key, None)
    while len(entries) >= MAX_ENTRIES:
        del entries[next(iter(entries))]
    entries[key] = value


def _hash_key(*deps: str) -> bytes:
    return hashlib.sha256("\0".join(deps).encode(errors="replace")).digest()[:16]


def _network(address: str) -> str:
    """Whoever has one IPv6 address has 2 ** 64 of them: they count as one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, 64), strict=False))
