"""Wait for a training with eyes open: its states and its log, told as they come."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_dlaas.exceptions import ApiError, DlaasError, NotFound, Unreachable

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.client.training_watcher import TrainingWatcher
    from airflow_dlaas.contract.training import Training

LOG_BATCH_SECONDS = 5.0
"""Seconds of log lines that are told at once: each record costs the triggerer about ten polls of a training."""

LOG_BATCH_CHARACTERS = 32 * 1024
"""Characters of log that are told at once at the most, so that the task's log stays readable."""

LOG_DRAIN_TIMEOUT = 10.0
"""Seconds that the rest of the log may take after a training has ended."""

LOG_CLOSE_TIMEOUT = 2.0
"""Seconds that closing the log's connection may take in the end."""

FIRST_STATUS_TIMEOUT = 30.0
"""Seconds that the first sighting may take though the deadline has passed: there should be one to report."""

LOG_RETRY_INTERVAL = 30.0
"""Seconds until a log that could not be followed for a while is tried again: the service may be away for long."""

ERROR_LOG_INTERVAL = 60.0
"""Seconds between two lines that say why nothing is heard."""

ERROR_CHECK_INTERVAL = 5.0
"""Seconds until a trouble is noticed, and its end."""

_logger = logging.getLogger(__name__)

Say = Callable[[str], None]

Sleep = Callable[[float], Awaitable[Any]]


async def wait_for_training(
    client: Client,
    watcher: TrainingWatcher,
    training_id: str,
    *,
    deadline: float | None,
    say: Say,
    clock: Callable[[], float] = time.time,
    sleep: Sleep = asyncio.sleep,
) -> Training:
    """
    Return the training once it has ended, or as last seen at the *deadline*.

    Trouble on the way (the service away, a broken connection) is waited out, until the deadline. The log is followed
    from the start of the training on; while it is queued, the service is asked for its state only.

    :param deadline: seconds since the epoch, by *clock*: a waiter may wake up in another process.
    :param say: told state changes, and the log in batches of whole lines.
    :param sleep: lets the time between two looks at whether the service answers pass.
    :raises NotFound: the service knows no such training.
    :raises Unreachable: not once before the deadline did the service answer.
    """
    life = _LifecycleEvents()
    log = asyncio.create_task(_forward_log(client, watcher, training_id, life, say))
    trouble = asyncio.create_task(_log_poll_errors(watcher, say, sleep))
    try:
        seen = await _follow_state(watcher, training_id, deadline, say, life, clock)
        if seen.state.is_final:
            await asyncio.wait({log}, timeout=LOG_DRAIN_TIMEOUT)
        return seen
    finally:
        trouble.cancel()
        log.cancel()
        # Not awaited one by one: a cancel of this task that comes now must be neither swallowed nor passed on to them.
        stopped, _ = await asyncio.wait({trouble, log}, timeout=LOG_CLOSE_TIMEOUT)
        for telling in stopped:
            if not telling.cancelled() and (error := telling.exception()) is not None:
                # The training is judged by its state: a fault in showing its log must not take the place of its result.
                say(f"Showing the log of training {training_id} failed: {type(error).__name__}: {error}")
                _logger.error("Showing the log of training %s failed", training_id, exc_info=error)


@dataclass(frozen=True, slots=True)
class _LifecycleEvents:
    """What is known of how far a training has come."""

    log_available: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there may be a log."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def update(self, training: Training) -> None:
        # While its environment is made, a training is pending and has a log: the installer's.
        if str(training.state) != "pending" or training.status.phase not in (None, "queued"):
            self.log_available.set()
        if training.state.is_final:
            self.ended.set()


async def _follow_state(
    watcher: TrainingWatcher,
    training_id: str,
    deadline: float | None,
    say: Say,
    lifecycle: _LifecycleEvents,
    clock: Callable[[], float],
) -> Training:
    seen: Training | None = None
    told = ""
    async with aclosing(watcher.updates(training_id)) as states:
        while True:
            left = None if deadline is None else max(0.0, deadline - clock())
            if left is not None and seen is None:
                left = max(left, FIRST_STATUS_TIMEOUT)
            try:
                seen = await asyncio.wait_for(anext(states), left)
            except (asyncio.TimeoutError, StopAsyncIteration):
                break
            lifecycle.update(seen)
            if (now := _format_status(seen)) != told:
                say(f"Training {training_id}: {now}")
                told = now
            if seen.state.is_final:
                break
    if seen is None:
        raise Unreachable(f"Nothing was heard of training {training_id}, and its time is up")
    return seen


async def _log_poll_errors(watcher: TrainingWatcher, say: Say, sleep: Sleep) -> None:
    """Tell why nothing is heard, once a minute while it lasts, so that who waits can see what for."""
    silent: float | None = None  # seconds since the last line about a trouble that lasts
    while True:
        if watcher.last_error is None:
            if silent is not None:
                say("The service answers again")
            silent = None
        elif silent is None or silent >= ERROR_LOG_INTERVAL:
            say(watcher.last_error)
            silent = 0.0
        await sleep(ERROR_CHECK_INTERVAL)
        if silent is not None:
            silent += ERROR_CHECK_INTERVAL


def _format_status(training: Training) -> str:
    status = training.status
    words = str(status.state)
    if not status.state.is_final and status.phase is not None:
        words += f", {status.phase}"
    if status.queue_position:
        words += f" behind {status.queue_position} others"
    return words


async def _forward_log(
    client: Client, watcher: TrainingWatcher, training_id: str, lifecycle: _LifecycleEvents, say: Say
) -> None:
    await lifecycle.log_available.wait()
    async with aclosing(_stream_log(client, watcher, training_id, lifecycle, say)) as pieces:
        async for text in batch_text(pieces, max_seconds=LOG_BATCH_SECONDS, max_characters=LOG_BATCH_CHARACTERS):
            say(text)


async def _stream_log(
    client: Client, watcher: TrainingWatcher, training_id: str, lifecycle: _LifecycleEvents, say: Say
) -> AsyncGenerator[str, None]:
    from airflow_dlaas._util.retry import RetryPolicy
    from airflow_dlaas.client.log_stream import follow_log

    # Few and short, so that the reason of a failure is soon in the task's log.
    retries = RetryPolicy(attempts=3, first_pause=1, max_pause=5, jitter=1)
    offset, told = 0, False
    while True:
        try:
            async with aclosing(
                follow_log(client, training_id, offset=offset, retries=retries, training_ended=lifecycle.ended)
            ) as frames:
                async for frame in frames:
                    offset, told = frame.status.offset or offset, False
                    if frame.status.message:
                        yield frame.status.message
            return
        except NotFound:
            return  # whoever asks for the states learns of it
        except DlaasError as error:
            if not error.transient:
                say(f"The log of training {training_id} cannot be followed: {error}")
                return
            if not told:
                say(f"Following the log of training {training_id} failed; retrying later: {error}")
            told = True
            wanted = error.retry_after if isinstance(error, ApiError) else None
        if lifecycle.ended.is_set():
            return
        await _wait_for_retry(watcher, lifecycle, max(LOG_RETRY_INTERVAL, wanted or 0))


async def _wait_for_retry(watcher: TrainingWatcher, lifecycle: _LifecycleEvents, seconds: float) -> None:
    """
    Wait until a log that could not be followed may be tried again.

    While the watch gets no answer no log is tried: a thousand tries would occupy a triggerer. The training's end
    cuts the wait short: the log has to be read then, in a few seconds.
    """
    pause = seconds * random.SystemRandom().uniform(1, 1.5)  # so that they do not come together
    while not lifecycle.ended.is_set():
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(lifecycle.ended.wait(), pause)
        if watcher.last_error is None:
            return
        pause = ERROR_CHECK_INTERVAL * random.SystemRandom().uniform(0.5, 1.5)


async def batch_text(
    chunks: AsyncIterator[str], *, max_seconds: float, max_characters: int, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[str]:
    """Join *chunks* of text: told after *max_seconds* at the latest, or once about *max_characters* are gathered."""
    gathered: list[str] = []
    size = 0
    since = clock()
    upcoming: asyncio.Future[Any] | None = None
    try:
        while True:
            if upcoming is None:
                upcoming = asyncio.ensure_future(anext(chunks))
            left = max_seconds - (clock() - since) if gathered else None
            done, _ = await asyncio.wait({upcoming}, timeout=left if left is None else max(0.0, left))
            if done:
                try:
                    piece = upcoming.result()
                except StopAsyncIteration:
                    break
                finally:
                    upcoming = None
                if not gathered:
                    since = clock()
                gathered.append(piece)
                size += len(piece)
            if gathered and (not done or size >= max_characters or clock() - since >= max_seconds):
                yield "".join(gathered).rstrip("\n")
                gathered, size = [], 0
        if gathered:
            yield "".join(gathered).rstrip("\n")
    finally:
        if upcoming is not None:
            # Waited for: until it has stopped, whoever gives the pieces cannot be closed.
            upcoming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await upcoming
