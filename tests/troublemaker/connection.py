"""One client's connection, request by request."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from tests.troublemaker.faults import ExpireTokens, Fault, Say
from tests.troublemaker.ledger import Entry, Ledger, Rules, Tokens
from tests.troublemaker.lifetime import Lifetime, Over
from tests.troublemaker.passage import Finish, Passage, Reset
from tests.troublemaker.wire import Gone, Head, Stream

EXPIRED = Say(HTTPStatus.UNAUTHORIZED, {"Www-Authenticate": 'Swift realm="unknown"'})
"""What Swift says to a token it does not know."""

TOKEN_FIELDS = ("X-Auth-Token", "X-Storage-Token")

PATIENCE = 60.0
"""Seconds for the store to take or say something: it has a disk to wait for, never a fault."""


@dataclass(frozen=True)
class Shared:
    """What the connections of a proxy have in common."""

    url: str
    store: tuple[str, int]
    rules: Rules
    tokens: Tokens
    ledger: Ledger
    lifetime: Lifetime


class Connection:
    """A client's connection and the one to the store that belongs to it; both are kept from request to request."""

    def __init__(self, client: socket.socket, shared: Shared) -> None:
        self._client = Stream(client)
        self._shared = shared
        self._store: Stream | None = None

    def serve(self) -> None:
        """Carry out requests until one side ends it, a fault does, or the proxy closes."""
        try:
            with contextlib.suppress(Finish):
                while self._exchange():
                    pass
            self._leave_store()
            self._client.finish()
        except Reset:
            self._leave_store()
            self._client.prepare_reset()
        except (Gone, Over, OSError):
            """One side is no longer there; that the connection closes tells the other."""
        finally:
            self._leave_store()
            self._shared.lifetime.forget(self._client.socket)
            self._client.close()

    def _exchange(self) -> bool:
        """Serve one request; whether another may follow."""
        head = self._client.head()
        if head is None:
            return False
        entry = self._shared.ledger.enter(head.word(0), head.word(1))
        head, fault = self._judge(head)
        passage = Passage(entry, fault, self._shared.lifetime, self._client.ended)
        if isinstance(fault, Say):
            return self._say(fault, head, entry, passage)
        store = self._reach_store()
        self._pass_request(store, head, passage)
        reply = _reply(store)
        entry.status = reply.status
        framing = reply.reply_framing(entry.method)
        body = store.body(framing)
        passage.answered(body)
        self._client.write(bytes(self._renamed(reply)))
        self._client.write_body(passage.reply(body), framing)
        lasting = framing != "end" and head.word(2) == "HTTP/1.1"
        return lasting and not any(one.has("Connection", "close") for one in (head, reply))

    def _judge(self, head: Head) -> tuple[Head, Fault | None]:
        """The request with the store's own token, and its fault. One with an expired token meets no rule."""
        tokens = self._shared.tokens
        own = {name: tokens.token(value) for name in TOKEN_FIELDS if (value := head.get(name)) is not None}
        if None in own.values():
            return head, EXPIRED
        fault = self._shared.rules.take(head.word(0), head.word(1))
        if isinstance(fault, ExpireTokens):
            tokens.expire()
            return head, EXPIRED
        for name, token in own.items():
            head = head.put(name, token or "")
        return head, fault

    def _say(self, fault: Say, head: Head, entry: Entry, passage: Passage) -> bool:
        if not fault.early:
            for _ in passage.request(self._incoming(head)):
                """Read, and wanted by nobody."""
        body = b"" if entry.method == "HEAD" else fault.body
        entry.fault, entry.status, entry.reply_bytes = fault, fault.status, len(body)
        closing = fault.early or head.has("Connection", "close")
        self._client.write(bytes(_answer(fault, closing=closing)) + body)
        return not closing

    def _pass_request(self, store: Stream, head: Head, passage: Passage) -> None:
        pieces = passage.request(self._incoming(head))
        store.write(bytes(head.without("Expect").put("Host", "{}:{}".format(*self._shared.store))))
        try:
            store.write_body(pieces, head.framing(0))
        except OSError:
            # It has answered early and listens no more: a client that sends on is to get that answer all the same.
            for _ in pieces:
                """Read, and wanted by nobody."""

    def _incoming(self, head: Head) -> Iterator[bytes]:
        """The request's body, for which a careful client waits to be asked."""
        framing = head.framing(0)
        if framing and head.has("Expect", "100-continue"):
            self._client.write(bytes(Head("HTTP/1.1 100 Continue")))
        return self._client.body(framing)

    def _renamed(self, reply: Head) -> Head:
        """What a login answers, with the proxy's address and its name for the token."""
        for name in TOKEN_FIELDS:
            token = reply.get(name)
            if token is not None:
                reply = reply.put(name, self._shared.tokens.name(token))
        storage = reply.get("X-Storage-Url")
        return reply if storage is None else reply.put("X-Storage-Url", self._shared.url + urlsplit(storage).path)

    def _reach_store(self) -> Stream:
        if self._store is not None and self._store.stirs():
            self._leave_store()  # it closed a connection that was idle for long
        if self._store is None:
            reached = socket.create_connection(self._shared.store, PATIENCE)
            self._shared.lifetime.keep(reached)
            self._store = Stream(reached)
        return self._store

    def _leave_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            self._shared.lifetime.forget(store.socket)
            store.close()


def _reply(store: Stream) -> Head:
    """The head of the store's answer, after anything it says in between."""
    while (reply := store.head()) is not None:
        if reply.status >= HTTPStatus.OK:
            return reply
    raise Gone("the store closed without an answer")


def _answer(fault: Say, *, closing: bool) -> Head:
    fields = dict(fault.headers)
    if fault.status != HTTPStatus.NO_CONTENT:
        fields.setdefault("Content-Length", str(len(fault.body)))
    if closing:
        fields["Connection"] = "close"
    known = {int(one): one.phrase for one in HTTPStatus}
    return Head(f"HTTP/1.1 {int(fault.status)} {known.get(fault.status, 'Trouble')}", tuple(fields.items()))
