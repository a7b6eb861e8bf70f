"""What the threads of the proxy and the test share: rules with faults, tokens, and the log of requests."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

from tests.fault_proxy.faults import Fault

Path = str | re.Pattern[str]
"""A part of the path and the query as they were sent, or a pattern to search in them."""


def matches(method: str, path: str, wanted_method: str | None, wanted_path: Path) -> bool:
    if wanted_method not in (None, method):
        return False
    return wanted_path in path if isinstance(wanted_path, str) else bool(wanted_path.search(path))


@dataclass(frozen=True)
class Seen:
    """
    One request and its progress.

    *request_bytes* and *reply_bytes* are the bytes of the bodies that were read from the client and sent to it.
    *status* is that of the store or of the proxy, also if the client did not receive it. *fault* is the fault that
    occurred, or None.
    """

    method: str
    path: str
    request_bytes: int
    status: int | None
    reply_bytes: int
    fault: Fault | None


@dataclass
class Entry:
    """A request in progress; only its own thread changes it."""

    method: str
    path: str
    request_bytes: int = 0
    status: int | None = None
    reply_bytes: int = 0
    fault: Fault | None = None

    def seen(self) -> Seen:
        return Seen(self.method, self.path, self.request_bytes, self.status, self.reply_bytes, self.fault)


class RequestLog:
    """
    The requests in the order of their arrival.

    An entry is updated before the client receives the corresponding bytes: a test that has the reply finds it here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def enter(self, method: str, path: str) -> Entry:
        entry = Entry(method, path)
        with self._lock:
            self._entries.append(entry)
        return entry

    def find(self, method: str | None = None, path: Path = "") -> list[Seen]:
        with self._lock:
            return [one.seen() for one in self._entries if matches(one.method, one.path, method, path)]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


@dataclass
class Rule:
    """A fault, and its requests: *times* of them (None: all), after the first *skip*."""

    fault: Fault
    method: str | None
    path: Path
    times: int | None
    skip: int


@dataclass
class Rules:
    """The faults that are applied to the next requests."""

    _pending: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rule: Rule) -> None:
        with self._lock:
            self._pending.append(rule)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault of the first rule for this request. A request that a rule skips can match another."""
        with self._lock:
            for rule in self._pending:
                if rule.times == 0 or not matches(method, path, rule.method, rule.path):
                    continue
                if rule.skip:
                    rule.skip -= 1
                    continue
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
            return None

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()


class Tokens:
    """
    The names of the store's tokens for the client.

    Swift returns the same token again while it is valid. With the proxy's own names, the same token can expire for the
    client and be issued again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = 1
        self._known: dict[str, tuple[int, str]] = {}

    def name(self, token: str) -> str:
        """Return the name under which the store's *token* is issued now."""
        with self._lock:
            name = f"{self._generation}-{token}"
            self._known[name] = (self._generation, token)
            return name

    def token(self, name: str) -> str | None:
        """Return the store's token, or None if it has expired. A name that was not issued here is a token itself."""
        with self._lock:
            generation, token = self._known.setdefault(name, (self._generation, name))
            return token if generation == self._generation else None

    def expire(self) -> None:
        with self._lock:
            self._generation += 1
