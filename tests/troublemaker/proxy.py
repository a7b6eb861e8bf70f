"""The proxy: listens, and hands each connection to a thread of its own."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit

from typing_extensions import Self

from tests.troublemaker.connection import Connection, Shared
from tests.troublemaker.faults import Fault
from tests.troublemaker.ledger import Ledger, Path, Rule, Rules, Seen, Tokens
from tests.troublemaker.lifetime import Lifetime, Over

CLOSE = 60.0
"""Seconds for a connection's thread to notice the end."""


class Troublemaker:
    """
    Stands on 127.0.0.1 between clients and the Swift at *upstream*, the URL of its v1 login; a context manager.

    Log in at `auth_url`: the storage URL that is handed out leads back here, so everything after it comes through
    too. Without a rule all passes unharmed. Rules count every request, logins among them.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"no way to {upstream!r}: only http is spoken here")
        self._login = parts.path
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._shared = Shared(
            f"http://127.0.0.1:{self._listener.getsockname()[1]}",
            (parts.hostname, parts.port or 80),
            Rules(),
            Tokens(),
            Ledger(),
            Lifetime(),
        )
        self._threads: set[threading.Thread] = set()
        self._listening = threading.Thread(target=self._listen, name="troublemaker", daemon=True)

    def __enter__(self) -> Self:
        self._listening.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shared.lifetime.end()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listening.join(CLOSE)
        self._listener.close()
        for one in list(self._threads):
            one.join(CLOSE)

    @property
    def auth_url(self) -> str:
        return self._shared.url + self._login

    def on(
        self, fault: Fault, *, method: str | None = None, path: Path = "", times: int | None = 1, skip: int = 0
    ) -> None:
        """
        Let *fault* strike the next *times* requests (None: all) of *method* with *path*, after *skip* of them.

        *path* is a part of the path and query as sent, percent signs and all; for a regular expression give a
        compiled pattern. Of several rules that fit, the first that is not used up has the request.
        """
        self._shared.rules.add(Rule(fault, method, path, times, skip))

    def calm(self) -> None:
        """Drop all rules, and let go on what stands still."""
        self._shared.rules.clear()
        self.release()

    def release(self) -> None:
        """
        Let all requests go on that stand still now.

        As on a real network, what a client had sent before it gave up may arrive then: a late PUT is carried out.
        """
        self._shared.lifetime.release()

    @property
    def stalled(self) -> int:
        """How many requests stand still now."""
        return self._shared.lifetime.stalled

    def expire_tokens(self) -> None:
        """From now on, answer 401 to every token handed out or seen so far. A new login helps."""
        self._shared.tokens.expire()

    @property
    def requests(self) -> list[Seen]:
        """Every request since the start or the last `clear`, in the order they came, also those still under way."""
        return self._shared.ledger.find()

    @property
    def logins(self) -> int:
        """How often a token was asked for, since the last `clear`."""
        return sum(one.path == self._login for one in self.requests)

    def sent(self, *, method: str | None = None, path: Path = "") -> int:
        """The bytes of bodies that were read from clients."""
        return sum(one.request_bytes for one in self._shared.ledger.find(method, path))

    def count(self, *, method: str | None = None, path: Path = "") -> int:
        """How many requests came."""
        return len(self._shared.ledger.find(method, path))

    def clear(self) -> None:
        """Forget the requests so far. Rules stay."""
        self._shared.ledger.clear()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                self._shared.lifetime.keep(client)
            except ConnectionAbortedError:
                continue  # a client that left before its turn
            except (Over, OSError):
                return
            thread = threading.Thread(target=self._serve, args=(client,), name="trouble", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            Connection(client, self._shared).serve()
        finally:
            self._threads.discard(threading.current_thread())
