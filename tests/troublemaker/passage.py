"""One request's way there and back, and what its fault does to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from tests.troublemaker import bodies
from tests.troublemaker.faults import (
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
from tests.troublemaker.ledger import Entry
from tests.troublemaker.lifetime import Lifetime


class Reset(Exception):
    """The client is to see a reset."""


class Finish(Exception):
    """The client is to see the connection end in good order."""


@dataclass(frozen=True)
class Passage:
    """What goes by is counted in *entry*, and *fault* noted there when it strikes."""

    entry: Entry
    fault: Fault | None
    lifetime: Lifetime
    ended: Callable[[], bool]
    """Whether the client is no longer there."""

    def request(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The request's body, as it is to reach the store."""
        match self.fault:
            case CorruptRequest(at):
                return self._counted_there(bodies.flipped(pieces, at, self._note))
            case StallRequest(after):
                return self._counted_there(bodies.marked(pieces, after, self._stall))
            case ResetRequest(after):
                return bodies.late(self._counted_there(bodies.marked(pieces, after, self._reset)))
            case Slow(rate):
                self._note()
                return self._counted_there(bodies.slowed(pieces, rate, self.lifetime.pause))
        return self._counted_there(pieces)

    def answered(self, pieces: Iterator[bytes]) -> None:
        """The store has answered, and the client has heard nothing yet; *pieces* are the reply's body."""
        match self.fault:
            case LoseReply():
                for _ in pieces:
                    """The store is to have done all its work."""
                self._reset()
            case Silence():
                self._stall()

    def reply(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The reply's body, as it is to reach the client."""
        match self.fault:
            case CorruptReply(at):
                pieces = bodies.flipped(pieces, at, self._note)
            case ResetReply(after):
                pieces = bodies.marked(pieces, after, self._reset)
            case Truncate(after):
                pieces = bodies.marked(pieces, after, self._finish)
            case StallReply(after):
                pieces = bodies.marked(pieces, after, self._stall)
            case Slow(rate):
                pieces = bodies.slowed(pieces, rate, self.lifetime.pause)
        for piece in pieces:
            self.entry.reply_bytes += len(piece)
            yield piece

    def _counted_there(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.entry.request_bytes += len(piece)
            yield piece

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
        self.lifetime.stall(self.ended)
