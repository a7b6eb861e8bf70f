"""
Retries: a policy (how often, how long), and helpers that call a function under it.

A loop of its own shape (a generator without I/O, a loop that waits for an event) uses `RetryState` or
`RetryPolicy.pause`, does the sleeping itself, and logs `retry_message`.
"""

from __future__ import annotations

import logging
import random as random_numbers
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol, TypeVar

from airflow_dlaas._util.timer import SYSTEM_TIMER, Timer

T = TypeVar("T")

DEADLINE_INTERVAL = 1.0
"""Seconds between two reads of a deadline that may change during a pause."""


class Logger(Protocol):
    """A `logging.Logger`, or the `log` of Airflow's operators, hooks and triggers, which is a structlog logger."""

    def log(self, level: int, message: Any, /, *args: Any) -> Any:
        """Log *message*, with *args* put into it, at a level of `logging`."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A number of attempts, and the pauses between them. All times are in seconds."""

    attempts: int | None = 5
    """Attempts in all: 1 means no retry, None means no limit."""
    first_pause: float = 0.5
    """The longest that the first pause can be; it is multiplied by `factor` after every further failure."""
    max_pause: float = 30.0
    """The limit of the computed pauses."""
    factor: float = 2.0
    """1 gives pauses of equal length."""
    jitter: float = 0.5
    """The random part of each pause: 0 is none, 0.5 draws from half to all of the pause, 1 from zero to all of it.
    Jitter keeps clients of one server from retrying at the same time."""
    total_seconds: float | None = None
    """No attempt begins later than this after the first failure; None means no limit."""
    max_retry_after: float | None = None
    """The longest pause that a server may request; a longer request ends the retries. None means `max_pause`."""

    def pause(self, failures: int, draw: float = 1.0) -> float:
        """Return the seconds to pause after *failures* failures (1 or more); *draw* is random in [0, 1)."""
        try:
            longest = min(self.max_pause, self.first_pause * self.factor ** (failures - 1))
        except OverflowError:
            longest = self.max_pause
        return longest * (1 - self.jitter + self.jitter * draw)

    def pauses(self, random: Callable[[], float] = random_numbers.random) -> Iterator[float]:
        """
        Yield the pauses between attempts; there are no more attempts when they end.

        This checks neither `total_seconds` nor `max_retry_after`; `RetryState` does.
        """
        failures = 1
        while self.attempts is None or failures < self.attempts:
            yield self.pause(failures, random())
            failures += 1


NO_RETRY = RetryPolicy(attempts=1)
"""One attempt: for callers that repeat the call themselves, or that cannot wait."""


class RetryState:
    """
    The failures of one operation so far, and whether its policy permits another attempt.

    It does no I/O and reads no clock, so that a generator or an event loop can use it. Not thread-safe.
    """

    def __init__(self, policy: RetryPolicy, random: Callable[[], float] = random_numbers.random) -> None:
        self.policy = policy
        self.failures = 0
        self._random = random
        self._first_failure: float | None = None

    def next_pause(
        self, now: float, *, retry_after: float | None = None, deadline: float | None = None
    ) -> float | None:
        """
        Record a failure at *now*; return the seconds to pause, or None if there must be no further attempt.

        :param retry_after: seconds that the server requested; the pause is not shorter.
        :param deadline: a time by the clock of *now*, after which no attempt begins.
        """
        self.failures += 1
        if self._first_failure is None:
            self._first_failure = now
        policy, wanted = self.policy, retry_after or 0.0
        pause = max(policy.pause(self.failures, self._random()), wanted)
        if policy.attempts is not None and self.failures >= policy.attempts:
            return None
        if wanted > (policy.max_pause if policy.max_retry_after is None else policy.max_retry_after):
            return None
        if policy.total_seconds is not None and now + pause > self._first_failure + policy.total_seconds:
            return None
        if deadline is not None and now + pause > deadline:
            return None
        return pause

    def reset(self) -> None:
        """Forget the failures, after a success within the operation."""
        self.failures = 0
        self._first_failure = None


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """What few callers need."""

    retry_after: Callable[[Exception], float | None] | None = None
    """Returns the seconds that the server requested with this error, if any."""
    deadline: Callable[[], float] | None = None
    """Returns the time, by the timer's clock, after which no attempt begins. `call_with_retry` reads it again at least
    every `DEADLINE_INTERVAL` seconds, so it may change during a pause: a pause ends early at an earlier deadline, with
    one last attempt. `call_with_retry_async` reads it after each failure."""
    on_retry: Callable[[str], object] | None = None
    """Called with the text of each log message, before the pause."""
    later_level: int = logging.WARNING
    """The level of the messages after the first one; `logging.DEBUG` for retries without end."""


NO_OPTIONS = RetryOptions()


def call_with_retry(
    function: Callable[[], T],
    policy: RetryPolicy,
    *,
    what: str,
    is_transient: Callable[[Exception], bool],
    logger: Logger | None,
    options: RetryOptions = NO_OPTIONS,
    timer: Timer = SYSTEM_TIMER,
) -> T:
    """
    Call *function* until it succeeds, as long as *policy* permits. Blocks, pauses included.

    Each retry is logged at WARNING: "<what> failed (<cause>); retrying in N s (attempt K of M)", where K is the number
    of the attempt that follows. The last error is not logged, but raised.

    :param what: the operation and its object, as the beginning of a sentence: "Submitting training 42".
    :param is_transient: whether a retry can help after this error; other errors are raised at once.
    :param logger: None logs nothing.
    :raises Exception: the last error of *function*, unchanged.
    """
    state = RetryState(policy, timer.random)
    while True:
        try:
            return function()
        except Exception as error:
            pause = _next_pause(state, error, is_transient, options, timer.clock())
            if pause is None:
                raise
            log_retry(state, what, error, pause, logger, options.later_level, options.on_retry)
        if options.deadline is None:
            timer.sleep(pause)
            continue
        end = timer.clock() + pause
        while (left := end - timer.clock()) > 0 and timer.clock() <= options.deadline():
            timer.sleep(min(left, DEADLINE_INTERVAL))


async def call_with_retry_async(
    function: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    *,
    what: str,
    is_transient: Callable[[Exception], bool],
    logger: Logger | None,
    options: RetryOptions = NO_OPTIONS,
    timer: Timer | None = None,
) -> T:
    """
    Await *function* until it succeeds, as long as *policy* permits; the parameters are those of `call_with_retry`.

    A cancellation ends it at once.

    :param timer: its `sleep` is awaited; None means `asyncio.sleep` and the system's clock.
    """
    if timer is None:
        import asyncio  # costs tens of milliseconds, which callers without an event loop need not pay

        timer = Timer(sleep=asyncio.sleep)
    state = RetryState(policy, timer.random)
    while True:
        try:
            return await function()
        except Exception as error:
            pause = _next_pause(state, error, is_transient, options, timer.clock())
            if pause is None:
                raise
            log_retry(state, what, error, pause, logger, options.later_level, options.on_retry)
        await timer.sleep(pause)


def _next_pause(
    state: RetryState, error: Exception, is_transient: Callable[[Exception], bool], options: RetryOptions, now: float
) -> float | None:
    if not is_transient(error):
        return None
    wanted = None if options.retry_after is None else options.retry_after(error)
    deadline = None if options.deadline is None else options.deadline()
    return state.next_pause(now, retry_after=wanted, deadline=deadline)


def log_retry(
    state: RetryState,
    what: str,
    error: Exception,
    pause: float,
    logger: Logger | None,
    later_level: int = logging.WARNING,
    on_retry: Callable[[str], object] | None = None,
) -> None:
    """
    Log a retry as `call_with_retry` does, for a loop of its own shape; the parameters have the same meaning.

    :param state: after `RetryState.next_pause` returned *pause*.
    """
    message = retry_message(what, error, pause, state.failures + 1, state.policy)
    if logger is not None:
        logger.log(logging.WARNING if state.failures == 1 else later_level, "%s", message)
    if on_retry is not None:
        on_retry(message)


def retry_message(what: str, error: BaseException, pause: float, attempt: int, policy: RetryPolicy) -> str:
    """
    Return the log message of a retry: "<what> failed (<cause>); retrying in N s (attempt K of M)".

    :param attempt: the number of the attempt that follows.
    """
    limit = "" if policy.attempts is None else f" of {policy.attempts}"
    cause = str(error) or type(error).__name__
    return f"{what} failed ({cause}); retrying in {pause:.1f} s (attempt {attempt}{limit})"


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """
    Return the seconds after which a server accepts another request, by its Retry-After header; None without one.

    The header has a number of seconds or an HTTP date (RFC 9110, 10.2.3). A date is measured by the server's own clock
    if the response has a Date header, and else by ours. Anything else counts as no header.

    :param headers: names in any case.
    :param now: when the response came, in seconds since the epoch.
    """
    values = {name.lower(): str(value).strip() for name, value in headers.items()}
    value = values.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value)
    wanted = _http_date(value)
    if wanted is None:
        return None
    server_now = _http_date(values.get("date", ""))
    return max(0.0, wanted - (now if server_now is None else server_now))


def _http_date(value: str) -> float | None:
    if not value:
        return None
    from email.utils import parsedate_to_datetime  # a costly import, needed after failures only

    try:
        parsed: datetime = parsedate_to_datetime(value)
        # A date without a zone is UTC, as all HTTP dates are.
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
