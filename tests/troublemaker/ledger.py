"""What the proxy's threads and the test share: faults to come, tokens handed out, requests seen."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

from tests.troublemaker.faults import Fault

Path = str | re.Pattern[str]
"""A part of the path and query as they were sent, or a pattern to find in them."""


def fits(method: str, path: str, wanted_method: str | None, wanted_path: Path) -> bool:
    if wanted_method not in (None, method):
        return False
    return wanted_path in path if isinstance(wanted_path, str) else bool(wanted_path.search(path))


@dataclass(frozen=True)
class Seen:
    """
    One request, as far as it has come.

    *request_bytes* were read from the client and *reply_bytes* handed to it, of the bodies. *status* is what the
    store or the proxy answered, even where the client was never given it. *fault* is what struck, None where
    nothing has.
    """

    method: str
    path: str
    request_bytes: int
    status: int | None
    reply_bytes: int
    fault: Fault | None


@dataclass
class Entry:
    """A request being carried out, written by its own thread only."""

    method: str
    path: str
    request_bytes: int = 0
    status: int | None = None
    reply_bytes: int = 0
    fault: Fault | None = None

    def seen(self) -> Seen:
        return Seen(self.method, self.path, self.request_bytes, self.status, self.reply_bytes, self.fault)


class Ledger:
    """
    The requests in the order they came.

    An entry is up to date before the client is given what it speaks of: a test that has its answer finds it here.
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
            return [one.seen() for one in self._entries if fits(one.method, one.path, method, path)]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


@dataclass
class Rule:
    """A fault, and which requests it is for: *times* of them, or all for None, after *skip* that are spared."""

    fault: Fault
    method: str | None
    path: Path
    times: int | None
    skip: int


@dataclass
class Rules:
    """Faults that wait for a request."""

    _pending: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rule: Rule) -> None:
        with self._lock:
            self._pending.append(rule)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault of the first rule for this request, which counts as used. One spared by a rule may meet another."""
        with self._lock:
            for rule in self._pending:
                if rule.times == 0 or not fits(method, path, rule.method, rule.path):
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
    The names that the client knows the store's tokens by.

    Swift hands out the same token again while it is valid. Under a name of the proxy's own, one and the same can
    expire for the client and be given anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = 1
        self._known: dict[str, tuple[int, str]] = {}

    def name(self, token: str) -> str:
        """What to call the store's *token* when it is handed out now."""
        with self._lock:
            name = f"{self._generation}-{token}"
            self._known[name] = (self._generation, token)
            return name

    def token(self, name: str) -> str | None:
        """The store's own token, or None where it has expired. A name that was not given here is a token itself."""
        with self._lock:
            generation, token = self._known.setdefault(name, (self._generation, name))
            return token if generation == self._generation else None

    def expire(self) -> None:
        with self._lock:
            self._generation += 1
