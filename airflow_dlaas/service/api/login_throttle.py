"""
Throttle of logins: counts wrong passwords, and makes clients that guess passwords wait. No I/O and no clock.

The bounded dicts are no cache of cachetools: entries expire by rules of their own (`LOCKOUT_TIME` only while a login is
not locked; a decaying count per address), and a FIFO limit needs no dependency.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

V = TypeVar("V")

MAX_LOGIN_FAILURES = 10
"""Consecutive failures of one login from one address after which that login must wait there."""
LOCKOUT_TIME = timedelta(seconds=30)
"""The lockout of a login, counted from its last password that was checked."""

MAX_ADDRESS_FAILURES = 50
"""Failures from one address, of all logins, after which all logins from there must wait."""
FAILURE_DECAY_INTERVAL = timedelta(seconds=10)
"""
The interval in which the count of an address decreases by one. It is shorter than `LOCKOUT_TIME`, the pace at which one
locked login can fail: one task with an old password never locks out the other tasks of its machine.
"""

MAX_ENTRIES = 10_000
"""Logins, and addresses, that are remembered at most. All entries have the same size, also with long logins."""


@dataclass
class LoginThrottle:
    """The recent failures, by login and address and by address. Not thread-safe."""

    _by_login: dict[bytes, tuple[int, datetime]] = field(default_factory=dict, repr=False)
    _by_address: dict[bytes, tuple[float, datetime]] = field(default_factory=dict, repr=False)

    def remaining_lockout(self, login: str, address: str, now: datetime) -> timedelta:
        """Return how long *login* must wait at *address*; zero or less: the password may be checked now."""
        network = _network(address)
        count, last = self._by_login.get(_hash_key(login, network), (0, now))
        login_lockout = last + LOCKOUT_TIME - now if count >= MAX_LOGIN_FAILURES else timedelta()
        address_count = self._decayed_count(_hash_key(network), now)
        if address_count <= MAX_ADDRESS_FAILURES - 1:
            return login_lockout
        return max(login_lockout, (address_count - MAX_ADDRESS_FAILURES + 1) * FAILURE_DECAY_INTERVAL)

    def record_failure(self, login: str, address: str, now: datetime) -> None:
        """Count a wrong password of *login* at *address*."""
        network = _network(address)
        login_key, address_key = _hash_key(login, network), _hash_key(network)
        count, last = self._by_login.pop(login_key, (0, now))
        is_expired = now - last > LOCKOUT_TIME and count < MAX_LOGIN_FAILURES
        _put_bounded(self._by_login, login_key, (1 if is_expired else count + 1, now))
        _put_bounded(self._by_address, address_key, (self._decayed_count(address_key, now) + 1, now))

    def reset(self, login: str, address: str) -> None:
        """Forget the failures of *login* at *address*, after a right password. The count of the address stays."""
        self._by_login.pop(_hash_key(login, _network(address)), None)

    def _decayed_count(self, key: bytes, now: datetime) -> float:
        count, last = self._by_address.get(key, (0.0, now))
        return max(0.0, count - (now - last) / FAILURE_DECAY_INTERVAL)


def _put_bounded(entries: MutableMapping[bytes, V], key: bytes, value: V) -> None:
    """Set *key*, as the newest entry; remove the oldest entries above `MAX_ENTRIES`."""
    entries.pop(key, None)
    while len(entries) >= MAX_ENTRIES:
        del entries[next(iter(entries))]
    entries[key] = value


def _hash_key(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).digest()[:16]


def _network(address: str) -> str:
    """Return the address or, for IPv6, its /64 network: a machine usually has all 2 ** 64 addresses of it."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((parsed, 64), strict=False))
