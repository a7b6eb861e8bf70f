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
from airflow_dlaas.contract.error import parse_api_error
from airflow_dlaas.contract.redirects import describe_redirect
from airflow_dlaas.exceptions import NotFound, ProtocolError, RateLimited, ServiceError, Unauthenticated, Unreachable

T = TypeVar("T")

TOKEN_RENEWAL_MARGIN = 30 * 60
"""Seconds before its end at which a token is renewed, so that no upload that begins with it outlives it."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """
    A token, and from when on to ask for another.

    The time is reckoned by our clock from when the token came and how long it lives, so that a service whose clock
    differs from ours does not matter. A token that lives shorter than an hour is renewed at its half.
    """

    value: str = field(repr=False)
    renew_at: float | None
    """None where the token does not tell: then a 401 will."""

    @classmethod
    def parse(cls, value: str, now: float) -> BearerToken:
        """Read a token that came at *now*; its signature is the service's business, and is not verified."""
        if not (value and value.isascii() and value.isprintable()):
            raise ProtocolError("The service's token is not one that a header can carry")
        claims = _jwt_claims(value)
        expires = claims.get("exp")
        if expires is None:
            return cls(value, None)
        life = expires - claims.get("iat", now)
        return cls(value, now + max(life - TOKEN_RENEWAL_MARGIN, life / 2) if life > 0 else None)

    def is_fresh(self, now: float) -> bool:
        """Whether it will do at *now*."""
        return self.renew_at is None or now < self.renew_at


@dataclass(frozen=True, slots=True)
class RequestRetryPolicy:
    """How often, and for how long, a call is tried again."""

    max_attempts: int = 5
    initial_delay: float = 0.5
    """Seconds: the longest that the first pause can be; it doubles with every attempt."""
    max_delay: float = 15
    """Seconds: what no pause exceeds, except one the service itself asks for."""
    max_duration: float = 60
    """Seconds after the first failure past which no attempt begins."""

    def delay(self, failures: int, random_value: float) -> float:
        """Seconds to pause after so many *failures*, *draw* being random in [0, 1): back-off with full jitter."""
        return random_value * min(self.max_delay, self.initial_delay * 2.0 ** (failures - 1))


DEFAULT_RETRY = RequestRetryPolicy()
"""For whoever has somebody waiting, but not forever."""

NO_RETRY = RequestRetryPolicy(max_attempts=1)
"""For whoever repeats on its own, or can't wait."""


# -- what an exchange asks for, and what it is told --------------------------


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Send the call; answered with what came of it."""

    call: Call[Any]
    token: BearerToken | None


@dataclass(frozen=True, slots=True)
class GetToken:
    """Get a fresh token; answered with one."""

    rejected: BearerToken | None
    """A token that the service refuses, though it looks fresh."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Do nothing for a while; answered with None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer came, whatever it says."""

    status: int
    content: bytes = field(repr=False)
    finished_at: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case."""
    base_url: str = ""
    """The service's URL."""
    request_url: str = ""
    """The URL that was asked."""


@dataclass(frozen=True, slots=True)
class NoResponse:
    """No answer came, or only a part of one."""

    reason: str
    finished_at: float
    maybe_sent: bool
    """Whether anything may have reached the service."""
    cause: BaseException | None = field(default=None, repr=False)


ExchangeStep = SendRequest | GetToken | Delay
StepResult = HttpResponse | NoResponse | BearerToken | None


def exchange(
    call: Call[T], retries: RequestRetryPolicy, rng: Callable[[], float]
) -> Generator[ExchangeStep, StepResult, T]:
    """
    Carry *call* through to its answer.

    A refused token is renewed once, whatever the call: the service has done nothing. Transient failures are tried
    again where nothing can have happened (nothing was sent, or it was turned away as one too many), or where the
    call may be repeated; else the error is raised, and the caller can't know whether the service has acted.

    :param draw: gives random numbers in [0, 1).
    :raises ServiceError: what the service said, or that it said nothing.
    """
    token = None if call.uses_basic_auth else _require_token((yield GetToken(None)))
    renewed = call.uses_basic_auth
    failures = 0
    first_failure: float | None = None
    unknown = False  # whether an attempt may have reached the service without our hearing of it
    while True:
        outcome = _require_outcome((yield SendRequest(call, token)))
        error = _to_error(outcome)
        if error is None:
            return call.parse(outcome.content if isinstance(outcome, HttpResponse) else b"")
        if isinstance(error, Unauthenticated) and not renewed:
            renewed = True
            token = _require_token((yield GetToken(token)))
            continue
        if isinstance(error, NotFound) and call.method == "DELETE" and unknown:
            return call.parse(b"")  # an attempt before this one has done it
        failures += 1
        first_failure = outcome.finished_at if first_failure is None else first_failure
        untouched = isinstance(error, RateLimited) or (isinstance(outcome, NoResponse) and not outcome.maybe_sent)
        unknown = unknown or not untouched
        pause = retries.delay(failures, rng())
        if isinstance(outcome, HttpResponse):
            pause = max(pause, retry_after(outcome) or 0)
        late = outcome.finished_at + pause > first_failure + retries.max_duration
        if not error.transient or failures >= retries.max_attempts or late or not (call.is_idempotent or untouched):
            raise error
        yield Delay(pause)


def retry_after(response: HttpResponse) -> float | None:
    """Seconds after which the service wants to be asked again, where it says so (a number, or a date)."""
    said = response.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        when = parsedate_to_datetime(said).timestamp()
    except (TypeError, ValueError):
        return None
    try:  # by the service's own clock, where it tells
        now = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        now = response.finished_at
    return max(0.0, when - now)


def redirect_error(response: HttpResponse) -> ProtocolError:
    """Return the error for an answer of 300 to 399. It is never followed: its target would get the credentials."""
    location = response.headers.get("location")
    return ProtocolError(
        describe_redirect(response.base_url, response.request_url, response.status, location, "the connection's URL")
    )


def _to_error(outcome: HttpResponse | NoResponse) -> ServiceError | None:
    if isinstance(outcome, NoResponse):
        error = Unreachable(outcome.reason)
        error.__cause__ = outcome.cause
        return error
    if 200 <= outcome.status < 300:
        return None
    if 300 <= outcome.status < 400:
        return redirect_error(outcome)
    return parse_api_error(outcome.status, outcome.content, retry_after=retry_after(outcome))


def _jwt_claims(token: str) -> dict[str, float]:
    """The numeric claims of a JWT; none where it is no JWT."""
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    if not isinstance(claims, dict):
        return {}
    return {name: claims[name] for name in ("exp", "iat") if isinstance(claims.get(name), (int, float))}


def _require_token(result: StepResult) -> BearerToken:
    if not isinstance(result, BearerToken):
        raise TypeError(f"Authorize is answered with a Token, not {result!r}")
    return result


def _require_outcome(result: StepResult) -> HttpResponse | NoResponse:
    if not isinstance(result, (HttpResponse, NoResponse)):
        raise TypeError(f"Send is answered with a Reply or NoAnswer, not {result!r}")
    return result
