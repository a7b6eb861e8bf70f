"""The connection of one client, request by request."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from tests.fault_proxy.faults import ExpireTokens, Fault, SendReply
from tests.fault_proxy.http_messages import Head, ProtocolError, Stream
from tests.fault_proxy.ledger import Entry, RequestLog, Rules, Tokens
from tests.fault_proxy.lifetime import Closed, Lifetime
from tests.fault_proxy.passage import Finish, Passage, Reset

EXPIRED = SendReply(HTTPStatus.UNAUTHORIZED, {"Www-Authenticate": 'Swift realm="unknown"'})
"""Swift's reply to an unknown token."""

TOKEN_FIELDS = ("X-Auth-Token", "X-Storage-Token")

STORE_TIMEOUT = 60.0
"""Seconds for each operation of the store, which waits for its disk but has no fault."""


@dataclass(frozen=True)
class ProxyState:
    """What the connections of a proxy share."""

    url: str
    store: tuple[str, int]
    rules: Rules
    tokens: Tokens
    request_log: RequestLog
    lifetime: Lifetime


class Connection:
    """A client's connection and its connection to the store; both stay open between requests."""

    def __init__(self, client: socket.socket, state: ProxyState) -> None:
        self._client = Stream(client)
        self._state = state
        self._store: Stream | None = None

    def serve(self) -> None:
        """Serve requests until one side closes, a fault ends the connection, or the proxy closes."""
        try:
            with contextlib.suppress(Finish):
                while self._exchange():
                    pass
            self._disconnect_store()
            self._client.finish()
        except Reset:
            self._disconnect_store()
            self._client.prepare_reset()
        except (ProtocolError, Closed, OSError):
            """One side has disconnected; closing the connection notifies the other side."""
        finally:
            self._disconnect_store()
            self._state.lifetime.unregister(self._client.socket)
            self._client.close()

    def _exchange(self) -> bool:
        """Serve one request; return whether another may follow."""
        head = self._client.head()
        if head is None:
            return False
        entry = self._state.request_log.enter(head.word(0), head.word(1))
        head, fault = self._apply_rules(head)
        passage = Passage(entry, fault, self._state.lifetime, self._client.is_disconnected)
        if isinstance(fault, SendReply):
            return self._respond(fault, head, entry, passage)
        store = self._connect_store()
        self._pass_request(store, head, passage)
        reply = _reply(store)
        entry.status = reply.status
        framing = reply.reply_framing(entry.method)
        body = store.body(framing)
        passage.before_reply(body)
        self._client.write(bytes(self._rename_token(reply)))
        self._client.write_body(passage.reply(body), framing)
        keeps_open = framing != "end" and head.word(2) == "HTTP/1.1"
        return keeps_open and not any(one.has("Connection", "close") for one in (head, reply))

    def _apply_rules(self, head: Head) -> tuple[Head, Fault | None]:
        """Return the request with the store's token, and its fault. A request with an expired token matches no rule."""
        tokens = self._state.tokens
        tokens_of_store = {name: tokens.token(value) for name in TOKEN_FIELDS if (value := head.get(name)) is not None}
        if None in tokens_of_store.values():
            return head, EXPIRED
        fault = self._state.rules.take(head.word(0), head.word(1))
        if isinstance(fault, ExpireTokens):
            tokens.expire()
            return head, EXPIRED
        for name, token in tokens_of_store.items():
            head = head.put(name, token or "")
        return head, fault

    def _respond(self, fault: SendReply, head: Head, entry: Entry, passage: Passage) -> bool:
        if not fault.early:
            for _ in passage.request(self._incoming(head)):
                """The body is read and dropped."""
        body = b"" if entry.method == "HEAD" else fault.body
        entry.fault, entry.status, entry.reply_bytes = fault, fault.status, len(body)
        closing = fault.early or head.has("Connection", "close")
        self._client.write(bytes(_response_head(fault, closing=closing)) + body)
        return not closing

    def _pass_request(self, store: Stream, head: Head, passage: Passage) -> None:
        chunks = passage.request(self._incoming(head))
        # "Host" stays as it is: it is part of what a client of S3 signs.
        store.write(bytes(head.without("Expect")))
        try:
            store.write_body(chunks, head.framing(0))
        except OSError:
            # The store has replied early and reads no more. The client, which still sends, must get that reply.
            for _ in chunks:
                """The body is read and dropped."""

    def _incoming(self, head: Head) -> Iterator[bytes]:
        """Return the request's body; reply to "Expect: 100-continue" before."""
        framing = head.framing(0)
        if framing and head.has("Expect", "100-continue"):
            self._client.write(bytes(Head("HTTP/1.1 100 Continue")))
        return self._client.body(framing)

    def _rename_token(self, reply: Head) -> Head:
        """Return the reply to a login with the proxy's URL and the proxy's name for the token."""
        for name in TOKEN_FIELDS:
            token = reply.get(name)
            if token is not None:
                reply = reply.put(name, self._state.tokens.name(token))
        storage = reply.get("X-Storage-Url")
        return reply if storage is None else reply.put("X-Storage-Url", self._state.url + urlsplit(storage).path)

    def _connect_store(self) -> Stream:
        if self._store is not None and self._store.is_readable():
            self._disconnect_store()  # the store closed a connection that was idle for long
        if self._store is None:
            sock = socket.create_connection(self._state.store, STORE_TIMEOUT)
            self._state.lifetime.register(sock)
            self._store = Stream(sock)
        return self._store

    def _disconnect_store(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            self._state.lifetime.unregister(store.socket)
            store.close()


def _reply(store: Stream) -> Head:
    """Return the head of the store's final reply, after interim ones (1xx)."""
    while (reply := store.head()) is not None:
        if reply.status >= HTTPStatus.OK:
            return reply
    raise ProtocolError("the store closed the connection without a reply")


def _response_head(fault: SendReply, *, closing: bool) -> Head:
    fields = dict(fault.headers)
    if fault.status != HTTPStatus.NO_CONTENT:
        fields.setdefault("Content-Length", str(len(fault.body)))
    if closing:
        fields["Connection"] = "close"
    phrases = {int(one): one.phrase for one in HTTPStatus}
    return Head(f"HTTP/1.1 {int(fault.status)} {phrases.get(fault.status, 'Fault')}", tuple(fields.items()))
