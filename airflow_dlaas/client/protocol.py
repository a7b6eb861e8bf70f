"""
The order of the steps of a request: token, request, retries and pauses.

`exchange` is a generator that yields the next step and receives its result. It does no I/O and reads no clock: each
response has the time at which it was received, in seconds since the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_dlaas._util.retry import RetryPolicy, RetryState, parse_retry_after
from airflow_dlaas.client.bearer_token import BearerToken
from airflow_dlaas.client.calls import Call
from airflow_dlaas.contract.error import parse_api_error
from airflow_dlaas.contract.redirects import describe_redirect
from airflow_dlaas.exceptions import NotFound, ProtocolError, RateLimited, ServiceError, Unauthenticated, Unreachable

T = TypeVar("T")

DEFAULT_RETRY = RetryPolicy(
    attempts=5, first_pause=0.5, max_pause=15, jitter=1, total_seconds=60, max_retry_after=math.inf
)
"""For callers that can wait about a minute. A longer ``Retry-After`` ends the retries by `total_seconds`."""


# -- steps and their results --------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Send the call. The result is an `HttpResponse` or a `NoResponse`."""

    call: Call[Any]
    token: BearerToken | None


@dataclass(frozen=True, slots=True)
class GetToken:
    """Get a token. The result is a `BearerToken`."""

    rejected: BearerToken | None
    """A token that the service refused although it is fresh; the new one must be another."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Pause before a retry. The result is None."""

    seconds: float
    error: ServiceError = field(compare=False)
    """The error of the attempt before."""
    attempt: int
    """The number of the attempt that follows, from 2."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response of any status."""

    status: int
    content: bytes = field(repr=False)
    finished_at: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case."""
    base_url: str = ""
    """The service's URL."""
    request_url: str = ""
    """The URL of the request."""


@dataclass(frozen=True, slots=True)
class NoResponse:
    """There was no response, or an incomplete one."""

    reason: str
    finished_at: float
    maybe_sent: bool
    """Whether the service may have received the request."""
    cause: BaseException | None = field(default=None, repr=False)


ExchangeStep = SendRequest | GetToken | Delay
StepResult = HttpResponse | NoResponse | BearerToken | None


def exchange(
    call: Call[T], retries: RetryPolicy, random: Callable[[], float]
) -> Generator[ExchangeStep, StepResult, T]:
    """
    Yield the steps of *call* until there is a result or an error.

    If the service refuses the token, it is renewed once, for any call: the service has done nothing then. After a
    transient error the call is retried if it is idempotent, or if the service certainly did not execute it: the request
    was not sent, or there were too many requests. Otherwise the error is raised, and the caller cannot know whether the
    service has executed the call.

    :param random: returns random numbers in [0, 1), for the pauses.
    :raises ServiceError: the service refused the request, or did not respond.
    """
    token = None if call.uses_basic_auth else _require_token((yield GetToken(None)))
    renewed = call.uses_basic_auth
    state = RetryState(retries, random)
    maybe_executed = False  # whether the service may have executed the call
    while True:
        outcome = _require_outcome((yield SendRequest(call, token)))
        error = _to_error(outcome)
        if error is None:
            return call.parse(outcome.content if isinstance(outcome, HttpResponse) else b"")
        if isinstance(error, Unauthenticated) and not renewed:
            renewed = True
            token = _require_token((yield GetToken(token)))
            continue
        if isinstance(error, NotFound) and call.method == "DELETE" and maybe_executed:
            return call.parse(b"")  # deleted by an earlier attempt
        excluded = isinstance(error, RateLimited) or (isinstance(outcome, NoResponse) and not outcome.maybe_sent)
        maybe_executed = maybe_executed or not excluded  # by this attempt or an earlier one
        pause = state.next_pause(outcome.finished_at, retry_after=_retry_after(outcome))
        if pause is None or not error.transient or not (call.is_idempotent or excluded):
            raise error
        yield Delay(pause, error, state.failures + 1)


def redirect_error(response: HttpResponse) -> ProtocolError:
    """Return the error for a redirect. The client follows none: the other server would receive the credentials."""
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
    return parse_api_error(outcome.status, outcome.content, retry_after=_retry_after(outcome))


def _retry_after(outcome: HttpResponse | NoResponse) -> float | None:
    return parse_retry_after(outcome.headers, outcome.finished_at) if isinstance(outcome, HttpResponse) else None


def _require_token(result: StepResult) -> BearerToken:
    if not isinstance(result, BearerToken):
        raise TypeError(f"The result of GetToken must be a BearerToken, not {result!r}")
    return result


def _require_outcome(result: StepResult) -> HttpResponse | NoResponse:
    if not isinstance(result, (HttpResponse, NoResponse)):
        raise TypeError(f"The result of SendRequest must be an HttpResponse or a NoResponse, not {result!r}")
    return result
