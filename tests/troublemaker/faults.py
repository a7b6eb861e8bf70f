"""
What can go wrong with one request. Values only: `connection` carries them out.

Offsets count bytes of the body, without what chunking adds, and a fault strikes when that many have gone by: 0 is
before the first, the body's length is after the last. One beyond the end of the body never strikes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ResetRequest:
    """
    The client's connection is reset once *after* bytes of what it sends were read.

    The store sees a client that went away: the last piece read is never passed on, so it never has the whole.
    """

    after: int


@dataclass(frozen=True)
class ResetReply:
    """The client's connection is reset once it holds the reply's head and *after* bytes of its body."""

    after: int


@dataclass(frozen=True)
class LoseReply:
    """The store carries the request out, and the client's connection is reset in place of the answer."""


@dataclass(frozen=True)
class Say:
    """
    The proxy answers; the store never hears of it.

    The request's body is read first and the connection stays, as Swift does it. *early* answers without reading
    it and closes: a client still sending sees its connection break, with the answer there to be read.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: bytes = b""
    early: bool = False


@dataclass(frozen=True)
class ExpireTokens:
    """Every token known so far is void from this request on, which is the first to be refused with 401."""


@dataclass(frozen=True)
class Truncate:
    """The reply promises its whole length, and the connection is closed in good order after *after* bytes."""

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
    """After *after* bytes of the request nothing moves any more, until `Troublemaker.release`."""

    after: int


@dataclass(frozen=True)
class StallReply:
    """After the head and *after* bytes of the reply nothing moves any more, until `Troublemaker.release`."""

    after: int


@dataclass(frozen=True)
class Silence:
    """The store carries the request out, and nothing of the answer comes, until `Troublemaker.release`."""


@dataclass(frozen=True)
class Slow:
    """Both bodies move at *bytes_per_second*."""

    bytes_per_second: int


Fault = (
    ResetRequest
    | ResetReply
    | LoseReply
    | Say
    | ExpireTokens
    | Truncate
    | CorruptRequest
    | CorruptReply
    | StallRequest
    | StallReply
    | Silence
    | Slow
)
