"""The bodies of one request and its reply, with the fault of the request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from tests.fault_proxy import bodies
from tests.fault_proxy.faults import (
    CorruptReply,
    CorruptRequest,
    Fault,
    LoseReply,
    ResetReply,
    ResetRequest,
    Silence,
    Slow,
    StallReply,
    StallRequest,
    Truncate,
)
from tests.fault_proxy.ledger import Entry
from tests.fault_proxy.lifetime import Lifetime


class Reset(Exception):
    """The client's connection must be reset."""


class Finish(Exception):
    """The client's connection must be closed without a reset."""


@dataclass(frozen=True)
class Passage:
    """Counts the bytes in *entry*, and applies *fault*, which it records there when it occurs."""

    entry: Entry
    fault: Fault | None
    lifetime: Lifetime
    disconnected: Callable[[], bool]
    """Whether the client has disconnected."""

    def request(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the request's body as the store receives it."""
        match self.fault:
            case CorruptRequest(at):
                return self._count_request(bodies.flip_bit(chunks, at, self._note))
            case StallRequest(after):
                return self._count_request(bodies.with_action(chunks, after, self._stall))
            case ResetRequest(after):
                return bodies.delay_last(self._count_request(bodies.with_action(chunks, after, self._reset)))
            case Slow(rate):
                self._note()
                return self._count_request(bodies.limit_rate(chunks, rate, self.lifetime.pause))
        return self._count_request(chunks)

    def before_reply(self, chunks: Iterator[bytes]) -> None:
        """Apply faults between the store's reply and the first byte for the client; *chunks* are the reply's body."""
        match self.fault:
            case LoseReply():
                for _ in chunks:
                    """The body is read to its end, so that the store completes the request."""
                self._reset()
            case Silence():
                self._stall()

    def reply(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the reply's body as the client receives it."""
        match self.fault:
            case CorruptReply(at):
                chunks = bodies.flip_bit(chunks, at, self._note)
            case ResetReply(after):
                chunks = bodies.with_action(chunks, after, self._reset)
            case Truncate(after):
                chunks = bodies.with_action(chunks, after, self._finish)
            case StallReply(after):
                chunks = bodies.with_action(chunks, after, self._stall)
            case Slow(rate):
                chunks = bodies.limit_rate(chunks, rate, self.lifetime.pause)
        for chunk in chunks:
            self.entry.reply_bytes += len(chunk)
            yield chunk

    def _count_request(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.entry.request_bytes += len(chunk)
            yield chunk

    def _note(self) -> None:
        self.entry.fault = self.fault

    def _reset(self) -> NoReturn:
        self._note()
        raise Reset

    def _finish(self) -> NoReturn:
        self._note()
        raise Finish

    def _stall(self) -> None:
        self._note()
        self.lifetime.stall(self.disconnected)
