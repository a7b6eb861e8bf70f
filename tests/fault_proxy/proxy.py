"""The proxy: it accepts connections, and serves each in a thread of its own."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit

from typing_extensions import Self

from tests.fault_proxy.connection import Connection, ProxyState
from tests.fault_proxy.faults import Fault
from tests.fault_proxy.ledger import Path, RequestLog, Rule, Rules, Seen, Tokens
from tests.fault_proxy.lifetime import Closed, Lifetime

CLOSE_TIMEOUT = 60.0
"""Seconds for the thread of a connection to end."""


class FaultProxy:
    """
    A proxy on 127.0.0.1 between clients and the store at *upstream*; a context manager.

    *upstream* is the URL of a Swift's v1 login, or the endpoint of a store that has no login (S3, Google Cloud
    Storage). Log in at `auth_url`, which has the path of *upstream*. The storage URL in the reply is one of the proxy,
    so that later requests pass through it, too. Without a rule everything passes unchanged. Rules count every request,
    including logins.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"{upstream!r} is no URL for this proxy: it supports only http")
        self._login = parts.path
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._state = ProxyState(
            f"http://127.0.0.1:{self._listener.getsockname()[1]}",
            (parts.hostname, parts.port or 80),
            Rules(),
            Tokens(),
            RequestLog(),
            Lifetime(),
        )
        self._threads: set[threading.Thread] = set()
        self._listening = threading.Thread(target=self._listen, name="fault_proxy", daemon=True)

    def __enter__(self) -> Self:
        self._listening.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state.lifetime.end()
        self._listener.shutdown(socket.SHUT_RDWR)  # ends accept()
        self._listening.join(CLOSE_TIMEOUT)
        self._listener.close()
        for one in list(self._threads):
            one.join(CLOSE_TIMEOUT)

    @property
    def auth_url(self) -> str:
        return self._state.url + self._login

    @property
    def url(self) -> str:
        """The endpoint for stores that have no login."""
        return self._state.url

    def on(
        self, fault: Fault, *, method: str | None = None, path: Path = "", times: int | None = 1, skip: int = 0
    ) -> None:
        """
        Apply *fault* to the next *times* requests (None: all) of *method* with *path*, after the first *skip* of them.

        *path* is a part of the path and the query as they are sent, with percent signs, or a compiled pattern. Of
        several matching rules, the first one that is not used up applies.
        """
        self._state.rules.add(Rule(fault, method, path, times, skip))

    def calm(self) -> None:
        """Remove all rules, and release stalled requests."""
        self._state.rules.clear()
        self.release()

    def release(self) -> None:
        """
        Continue all requests that are stalled now.

        As on a real network, a request may then arrive whose client has given up: a late PUT is carried out.
        """
        self._state.lifetime.release()

    @property
    def stalled(self) -> int:
        """The number of requests that are stalled now."""
        return self._state.lifetime.stalled

    def expire_tokens(self) -> None:
        """From now on, reply 401 to every token that was issued or used up to now. A new login gives a valid one."""
        self._state.tokens.expire()

    @property
    def requests(self) -> list[Seen]:
        """Every request since the start or the last `clear`, in the order of arrival, with those in progress."""
        return self._state.request_log.find()

    @property
    def logins(self) -> int:
        """The number of logins since the last `clear`."""
        return sum(one.path == self._login for one in self.requests)

    def sent(self, *, method: str | None = None, path: Path = "") -> int:
        """Return the number of bytes of bodies that were read from clients."""
        return sum(one.request_bytes for one in self._state.request_log.find(method, path))

    def count(self, *, method: str | None = None, path: Path = "") -> int:
        """Return the number of requests."""
        return len(self._state.request_log.find(method, path))

    def clear(self) -> None:
        """Delete the recorded requests. Rules stay."""
        self._state.request_log.clear()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                self._state.lifetime.register(client)
            except ConnectionAbortedError:
                continue  # a client that disconnected before it was accepted
            except (Closed, OSError):
                return
            thread = threading.Thread(target=self._serve, args=(client,), name="fault_proxy-connection", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            Connection(client, self._state).serve()
        finally:
            self._threads.discard(threading.current_thread())
