"""
A cache of the proxy for facts about accounts and containers, in the memory of its process.

It replaces memcached. Without a cache, the proxy would query the account and the container server at every request.
Values are stored as JSON, as in memcached: a read returns a copy.
"""

from __future__ import annotations

import json
import time as clock
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MAX_ENTRIES = 10_000
"""Maximum number of entries; the least recently used one is removed first."""

WsgiApp = Callable[[dict[str, Any], Any], Any]


class MemoryCache:
    """The part of the interface of Swift's memcached client that its proxy uses, with the same parameters."""

    def __init__(self, max_entries: int = MAX_ENTRIES, monotonic_clock: Callable[[], float] = clock.monotonic) -> None:
        self._max_entries = max_entries
        self._monotonic_clock = monotonic_clock
        self._entries: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def get(self, key: str, raise_on_error: bool = False) -> Any:  # noqa: ARG002
        expires, value = self._entries.get(key, (0.0, "null"))
        if expires <= self._monotonic_clock():
            self._entries.pop(key, None)
            return None
        self._entries.move_to_end(key)
        return json.loads(value)

    def set(self, key: str, value: Any, serialize: bool = True, time: float = 0, **_: Any) -> None:  # noqa: ARG002
        """Store *value* for *time* seconds; 0 means without expiry."""
        text = json.dumps(value.decode() if isinstance(value, bytes) else value)
        self._entries[key] = (self._monotonic_clock() + time if time else float("inf"), text)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def delete(self, key: str, server_key: str | None = None) -> None:  # noqa: ARG002
        self._entries.pop(key, None)

    def incr(self, key: str, delta: int = 1, time: float = 0) -> int:
        """Add *delta* and return the sum, which is never below 0."""
        value = max(0, int(self.get(key) or 0) + int(delta))
        self.set(key, value, time=time)
        return value

    def decr(self, key: str, delta: int = 1, time: float = 0) -> int:
        return self.incr(key, -int(delta), time)

    def set_multi(self, mapping: Mapping[str, Any], server_key: str, **options: Any) -> None:  # noqa: ARG002
        for key, value in mapping.items():
            self.set(key, value, **options)

    def get_multi(self, keys: Iterable[str], server_key: str) -> list[Any]:  # noqa: ARG002
        return [self.get(key) for key in keys]


def filter_factory(_global_conf: Mapping[str, str], **_local_conf: str) -> Callable[[WsgiApp], WsgiApp]:
    """Return the filter for ``[filter:cache]``. PasteDeploy calls this."""
    cache = MemoryCache()

    def wrap(app: WsgiApp) -> WsgiApp:
        return CacheMiddleware(app, cache)

    return wrap


class CacheMiddleware:
    """Adds the cache to every request. It is a class, because Swift sets attributes on each part of its pipeline."""

    def __init__(self, app: WsgiApp, cache: MemoryCache) -> None:
        self.app = app
        self.cache = cache

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["swift.cache"] = self.cache
        return self.app(environ, start_response)
