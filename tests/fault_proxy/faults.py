"""
The faults of one request, as values; `connection` applies them.

Offsets count bytes of the body, without those that chunked encoding adds. A fault occurs when that many bytes have
passed: 0 is before the first byte, the length of the body is after the last. Beyond the end a fault never occurs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ResetRequest:
    """
    The client's connection is reset after *after* bytes of its request body.

    The store sees a client that disconnected. The last chunk is not passed on, so the store never has the whole body.
    """

    after: int


@dataclass(frozen=True)
class ResetReply:
    """The client's connection is reset after it received the head of the reply and *after* bytes of its body."""

    after: int


@dataclass(frozen=True)
class LoseReply:
    """The store carries out the request, and the client's connection is reset instead of the reply."""


@dataclass(frozen=True)
class SendReply:
    """
    The proxy sends the reply; the store does not receive the request.

    As with Swift, the request's body is read first and the connection stays open. With *early*, the proxy replies
    without reading the body, and closes the connection: a client that still sends gets an error, and can read it.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: bytes = b""
    early: bool = False


@dataclass(frozen=True)
class ExpireTokens:
    """Every token up to now is invalid from this request on, which is the first to be refused with 401."""


@dataclass(frozen=True)
class Truncate:
    """The connection is closed without a reset after *after* bytes of the reply, whose header has the whole length."""

    after: int


@dataclass(frozen=True)
class CorruptRequest:
    """One bit of the byte at *at* changes on the way to the store."""

    at: int


@dataclass(frozen=True)
class CorruptReply:
    """One bit of the byte at *at* changes on the way to the client."""

    at: int


@dataclass(frozen=True)
class StallRequest:
    """After *after* bytes of the request nothing is passed on until `FaultProxy.release`."""

    after: int


@dataclass(frozen=True)
class StallReply:
    """After the head and *after* bytes of the reply nothing is passed on until `FaultProxy.release`."""

    after: int


@dataclass(frozen=True)
class Silence:
    """The store carries out the request, and nothing of the reply is passed on until `FaultProxy.release`."""


@dataclass(frozen=True)
class Slow:
    """Both bodies are passed on at *bytes_per_second*."""

    bytes_per_second: int


Fault = (
    ResetRequest
    | ResetReply
    | LoseReply
    | SendReply
    | ExpireTokens
    | Truncate
    | CorruptRequest
    | CorruptReply
    | StallRequest
    | StallReply
    | Silence
    | Slow
)
