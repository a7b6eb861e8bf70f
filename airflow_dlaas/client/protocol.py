"""
How an exchange with the service goes, step by step: tokens, what is tried again, and when.

`exchange` is a generator that says what to do next and is told what came of it. It sends nothing and reads no
clock: each outcome tells when it was had, in seconds since the epoch.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from airflow_dlaas.client.calls import Call
from airflow_dlaas.contract.error import refusal
from airflow_dlaas.contract.redirects import describe_redirect
from airflow_dlaas.exceptions import Misunderstood, NotFound, RateLimited, ServiceError, Unauthenticated, Unreachable

T = TypeVar("T")

RENEW_BEFORE = 30 * 60
"""Seconds before its end at which a token is renewed, so that no upload that begins with it outlives it."""


@dataclass(frozen=True, slots=True)
class Token:
    """
    A token, and from when on to ask for another.

    The time is reckoned by our clock from when the token came and how long it lives, so that a service whose clock
    differs from ours does not matter. A token that lives shorter than an hour is renewed at its half.
    """

    text: str = field(repr=False)
    renew_at: float | None
    """None where the token does not tell: then a 401 will."""

    @classmethod
    def read(cls, text: str, now: float) -> Token:
        """Read a token that came at *now*; its signature is the service's business, and is not verified."""
        if not (text and text.isascii() and text.isprintable()):
            raise Misunderstood("The service's token is not one that a header can carry")
        claims = _claims(text)
        expires = claims.get("exp")
        if expires is None:
            return cls(text, None)
        life = expires - claims.get("iat", now)
        return cls(text, now + max(life - RENEW_BEFORE, life / 2) if life > 0 else None)

    def fresh(self, now: float) -> bool:
        """Whether it will do at *now*."""
        return self.renew_at is None or now < self.renew_at


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and for how long, a call is tried again."""

    attempts: int = 5
    first: float = 0.5
    """Seconds: the longest that the first pause can be; it doubles with every attempt."""
    longest: float = 15
    """Seconds: what no pause exceeds, except one the service itself asks for."""
    total: float = 60
    """Seconds after the first failure past which no attempt begins."""

    def pause(self, failures: int, draw: float) -> float:
        """Seconds to pause after so many *failures*, *draw* being random in [0, 1): back-off with full jitter."""
        return draw * min(self.longest, self.first * 2.0 ** (failures - 1))


PATIENTLY = Retries()
"""For whoever has somebody waiting, but not forever."""

ONCE = Retries(attempts=1)
"""For whoever repeats on its own, or can't wait."""


# -- what an exchange asks for, and what it is told --------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Send the call; answered with what came of it."""

    call: Call[Any]
    token: Token | None


@dataclass(frozen=True, slots=True)
class Authorize:
    """Get a fresh token; answered with one."""

    unlike: Token | None
    """A token that the service refuses, though it looks fresh."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for a while; answered with None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer came, whatever it says."""

    status: int
    content: bytes = field(repr=False)
    at: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case."""
    root: str = ""
    """The service's URL."""
    asked: str = ""
    """The URL that was asked."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer came, or only a part of one."""

    why: str
    at: float
    sent: bool
    """Whether anything may have reached the service."""
    cause: BaseException | None = field(default=None, repr=False)


Step = Send | Authorize | Pause
Answer = Reply | NoAnswer | Token | None


def exchange(call: Call[T], retries: Retries, draw: Callable[[], float]) -> Generator[Step, Answer, T]:
    """
    Carry *call* through to its answer.

    A refused token is renewed once, whatever the call: the service has done nothing. Transient failures are tried
    again where nothing can have happened (nothing was sent, or it was turned away as one too many), or where the
    call may be repeated; else the error is raised, and the caller can't know whether the service has acted.

    :param draw: gives random numbers in [0, 1).
    :raises ServiceError: what the service said, or that it said nothing.
    """
    token = None if call.basic else _token((yield Authorize(None)))
    renewed = call.basic
    failures = 0
    first_failure: float | None = None
    unknown = False  # whether an attempt may have reached the service without our hearing of it
    while True:
        outcome = _outcome((yield Send(call, token)))
        error = _error(outcome)
        if error is None:
            return call.read(outcome.content if isinstance(outcome, Reply) else b"")
        if isinstance(error, Unauthenticated) and not renewed:
            renewed = True
            token = _token((yield Authorize(token)))
            continue
        if isinstance(error, NotFound) and call.method == "DELETE" and unknown:
            return call.read(b"")  # an attempt before this one has done it
        failures += 1
        first_failure = outcome.at if first_failure is None else first_failure
        untouched = isinstance(error, RateLimited) or (isinstance(outcome, NoAnswer) and not outcome.sent)
        unknown = unknown or not untouched
        pause = retries.pause(failures, draw())
        if isinstance(outcome, Reply):
            pause = max(pause, retry_after(outcome) or 0)
        late = outcome.at + pause > first_failure + retries.total
        if not error.transient or failures >= retries.attempts or late or not (call.repeatable or untouched):
            raise error
        yield Pause(pause)


def retry_after(reply: Reply) -> float | None:
    """Seconds after which the service wants to be asked again, where it says so (a number, or a date)."""
    said = reply.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        when = parsedate_to_datetime(said).timestamp()
    except (TypeError, ValueError):
        return None
    try:  # by the service's own clock, where it tells
        now = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        now = reply.at
    return max(0.0, when - now)


def redirected(reply: Reply) -> Misunderstood:
    """Return the error for an answer of 300 to 399. It is never followed: its target would get the credentials."""
    location = reply.headers.get("location")
    return Misunderstood(describe_redirect(reply.root, reply.asked, reply.status, location, "the connection's URL"))


def _error(outcome: Reply | NoAnswer) -> ServiceError | None:
    if isinstance(outcome, NoAnswer):
        error = Unreachable(outcome.why)
        error.__cause__ = outcome.cause
        return error
    if 200 <= outcome.status < 300:
        return None
    if 300 <= outcome.status < 400:
        return redirected(outcome)
    return refusal(outcome.status, outcome.content, retry_after=retry_after(outcome))


def _claims(text: str) -> dict[str, float]:
    """The numeric claims of a JWT; none where it is no JWT."""
    try:
        middle = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    if not isinstance(claims, dict):
        return {}
    return {name: claims[name] for name in ("exp", "iat") if isinstance(claims.get(name), (int, float))}


def _token(answer: Answer) -> Token:
    if not isinstance(answer, Token):
        raise TypeError(f"Authorize is answered with a Token, not {answer!r}")
    return answer


def _outcome(answer: Answer) -> Reply | NoAnswer:
    if not isinstance(answer, (Reply, NoAnswer)):
        raise TypeError(f"Send is answered with a Reply or NoAnswer, not {answer!r}")
    return answer
