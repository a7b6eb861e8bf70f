"""Objects that the coroutines of an event loop share while they use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V
    holders: int = 0


class SharedPerLoop(Generic[K, V]):
    """
    One object per event loop and key, with a count of its holders.

    The first holder makes the object, the last one closes it; the next holder makes a new one. Objects of two loops are
    never the same. Each loop's entries are used only from that loop, and never across an await, so there is no lock.

    :param close: called with an object after its last holder has left; must not block for long.
    """

    def __init__(self, close: Callable[[V], object]) -> None:
        self._close = close
        self._entries: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[K, _Entry[V]]] = WeakKeyDictionary()

    @asynccontextmanager
    async def hold(self, key: K, make: Callable[[], V]) -> AsyncIterator[V]:
        """
        Yield the running loop's object for *key* during the block.

        :param key: stands for all that the holders share: equal keys share the credentials in the object.
        :param make: called only if there is no object yet; its error reaches this caller alone.
        """
        entries = self._entries.setdefault(asyncio.get_running_loop(), {})
        entry = entries.get(key)
        if entry is None:
            entry = entries[key] = _Entry(make())
        entry.holders += 1
        try:
            yield entry.value
        finally:
            entry.holders -= 1
            if not entry.holders:
                del entries[key]
                self._close(entry.value)
