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

from airflow_dlaas.exceptions import DlaasError, NotFound, ApiError, Unreachable

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.client.training_watcher import TrainingWatcher
    from airflow_dlaas.contract.training import Training

TELL_EVERY = 5.0
"""Seconds of log lines that are told at once: each record costs the triggerer about ten polls of a training."""

TELL_BYTES = 32 * 1024
"""Characters of log that are told at once at the most, so that the task's log stays readable."""

LAST_WORDS = 10.0
"""Seconds that the rest of the log may take after a training has ended."""

GOODBYE = 2.0
"""Seconds that closing the log's connection may take in the end."""

FIRST_SIGHT = 30.0
"""Seconds that the first sighting may take though the deadline has passed: there should be one to report."""

FOLLOW_AGAIN = 30.0
"""Seconds until a log that could not be followed for a while is tried again: the service may be away for long."""

TROUBLE_EVERY = 60.0
"""Seconds between two lines that say why nothing is heard."""

TROUBLE_LOOK = 5.0
"""Seconds until a trouble is noticed, and its end."""

_logger = logging.getLogger(__name__)

Say = Callable[[str], None]

Sleep = Callable[[float], Awaitable[Any]]


async def attend(
    client: Client,
    watch: TrainingWatcher,
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
    life = _Life()
    log = asyncio.create_task(_tell_log(client, watch, training_id, life, say))
    trouble = asyncio.create_task(_tell_trouble(watch, say, sleep))
    try:
        seen = await _last_seen(watch, training_id, deadline, say, life, clock)
        if seen.state.is_final:
            await asyncio.wait({log}, timeout=LAST_WORDS)
        return seen
    finally:
        trouble.cancel()
        log.cancel()
        # Not awaited one by one: a cancel of this task that comes now must be neither swallowed nor passed on to them.
        stopped, _ = await asyncio.wait({trouble, log}, timeout=GOODBYE)
        for telling in stopped:
            if not telling.cancelled() and (error := telling.exception()) is not None:
                # The training is judged by its state: a fault in showing its log must not take the place of its result.
                say(f"Showing the log of training {training_id} failed: {type(error).__name__}: {error}")
                _logger.error("Showing the log of training %s failed", training_id, exc_info=error)


@dataclass(frozen=True, slots=True)
class _Life:
    """What is known of how far a training has come."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there may be a log."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, training: Training) -> None:
        # While its environment is made, a training is pending and has a log: the installer's.
        if str(training.state) != "pending" or training.status.phase not in (None, "queued"):
            self.begun.set()
        if training.state.is_final:
            self.ended.set()


async def _last_seen(
    watch: TrainingWatcher, training_id: str, deadline: float | None, say: Say, life: _Life, clock: Callable[[], float]
) -> Training:
    seen: Training | None = None
    told = ""
    async with aclosing(watch.updates(training_id)) as states:
        while True:
            left = None if deadline is None else max(0.0, deadline - clock())
            if left is not None and seen is None:
                left = max(left, FIRST_SIGHT)
            try:
                seen = await asyncio.wait_for(anext(states), left)
            except (asyncio.TimeoutError, StopAsyncIteration):
                break
            life.note(seen)
            if (now := _in_words(seen)) != told:
                say(f"Training {training_id}: {now}")
                told = now
            if seen.state.is_final:
                break
    if seen is None:
        raise Unreachable(f"Nothing was heard of training {training_id}, and its time is up")
    return seen


async def _tell_trouble(watch: TrainingWatcher, say: Say, sleep: Sleep) -> None:
    """Tell why nothing is heard, once a minute while it lasts, so that who waits can see what for."""
    silent: float | None = None  # seconds since the last line about a trouble that lasts
    while True:
        if watch.last_error is None:
            if silent is not None:
                say("The service answers again")
            silent = None
        elif silent is None or silent >= TROUBLE_EVERY:
            say(watch.last_error)
            silent = 0.0
        await sleep(TROUBLE_LOOK)
        if silent is not None:
            silent += TROUBLE_LOOK


def _in_words(training: Training) -> str:
    status = training.status
    words = str(status.state)
    if not status.state.is_final and status.phase is not None:
        words += f", {status.phase}"
    if status.queue_position:
        words += f" behind {status.queue_position} others"
    return words


async def _tell_log(client: Client, watch: TrainingWatcher, training_id: str, life: _Life, say: Say) -> None:
    await life.begun.wait()
    async with aclosing(_log(client, watch, training_id, life, say)) as pieces:
        async for text in batches(pieces, seconds=TELL_EVERY, characters=TELL_BYTES):
            say(text)


async def _log(
    client: Client, watch: TrainingWatcher, training_id: str, life: _Life, say: Say
) -> AsyncGenerator[str, None]:
    from airflow_dlaas.client.log_stream import follow_log
    from airflow_dlaas.client.protocol import RequestRetryPolicy

    # Few and short, so that the reason of a failure is soon in the task's log.
    retries = RequestRetryPolicy(max_attempts=3, initial_delay=1, max_delay=5)
    offset, told = 0, False
    while True:
        try:
            async with aclosing(
                follow_log(client, training_id, offset=offset, retries=retries, training_ended=life.ended)
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
        if life.ended.is_set():
            return
        await _until_again(watch, life, max(FOLLOW_AGAIN, wanted or 0))


async def _until_again(watch: TrainingWatcher, life: _Life, seconds: float) -> None:
    """
    Wait until a log that could not be followed may be tried again.

    While the watch gets no answer no log is tried: a thousand tries would occupy a triggerer. The training's end
    cuts the wait short: the log has to be read then, in a few seconds.
    """
    pause = seconds * random.SystemRandom().uniform(1, 1.5)  # so that they do not come together
    while not life.ended.is_set():
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(life.ended.wait(), pause)
        if watch.last_error is None:
            return
        pause = TROUBLE_LOOK * random.SystemRandom().uniform(0.5, 1.5)


async def batches(
    pieces: AsyncIterator[str], *, seconds: float, characters: int, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[str]:
    """Join *pieces* of text: told after *seconds* at the latest, or once about *characters* are gathered."""
    gathered: list[str] = []
    size = 0
    since = clock()
    upcoming: asyncio.Future[Any] | None = None
    try:
        while True:
            if upcoming is None:
                upcoming = asyncio.ensure_future(anext(pieces))
            left = seconds - (clock() - since) if gathered else None
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
            if gathered and (not done or size >= characters or clock() - since >= seconds):
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
