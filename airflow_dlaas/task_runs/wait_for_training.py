"""Wait for a training: its states and its log go to the task's log as they arrive."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_dlaas._util.terminal_text import escape_control_characters
from airflow_dlaas.contract.state import Phase
from airflow_dlaas.exceptions import ApiError, DlaasError, NotFound, Unreachable
from airflow_dlaas.task_runs.attempt_lines import attempt_lines
from airflow_dlaas.task_runs.log_batches import PlainBatches, batch_text

if TYPE_CHECKING:
    from airflow_dlaas._util.task_logger import TaskLogger
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.client.training_watcher import TrainingWatcher
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.connections import ServiceConnection

LOG_BATCH_SECONDS = 5.0
"""Seconds of log lines in one record: each record costs the triggerer about ten polls of a training."""

LOG_BATCH_CHARACTERS = 32 * 1024
"""Maximum number of characters of log in one record, so that the task's log stays readable."""

LOG_DRAIN_TIMEOUT = 10.0
"""Seconds to wait for the rest of the log after the training has ended."""

LOG_CLOSE_TIMEOUT = 2.0
"""Seconds to wait until the connection of the log is closed at the end."""

FIRST_STATUS_TIMEOUT = 30.0
"""Seconds to wait for the first status even if the deadline has passed, so that there is a status to report."""

LOG_RETRY_INTERVAL = 30.0
"""Seconds before a log that could not be followed is tried again: the service may be unreachable for long."""

ERROR_LOG_INTERVAL = 60.0
"""Seconds between two log messages about one failure that lasts."""

ERROR_CHECK_INTERVAL = 5.0
"""Seconds between two checks whether the service answers."""

Sleep = Callable[[float], Awaitable[Any]]


def deadline_after(start: datetime, timeout: timedelta | None) -> float | None:
    """Return the time *timeout* after *start*, in seconds since the epoch; None without a timeout."""
    return None if timeout is None else (start + timeout).timestamp()


def wait_for_training_sync(
    service_connection: ServiceConnection, training_id: str, *, deadline: float | None, logger: TaskLogger
) -> Training:
    """Wait for a training on a worker, as `wait_for_training` does in a triggerer. Blocks; makes its own client."""
    from airflow_dlaas.client.training_watcher import shared_watcher
    from airflow_dlaas.hooks.dlaas import make_client

    async def wait() -> Training:
        async with shared_watcher(service_connection, lambda: make_client(service_connection)) as watcher:
            return await wait_for_training(watcher.client, watcher, training_id, deadline=deadline, logger=logger)

    return asyncio.run(wait())


async def wait_for_training(
    client: Client,
    watcher: TrainingWatcher,
    training_id: str,
    *,
    deadline: float | None,
    logger: TaskLogger,
    clock: Callable[[], float] = time.time,
    sleep: Sleep = asyncio.sleep,
) -> Training:
    """
    Return the training once it has ended, or its last known status at the *deadline*.

    Transient errors (the service is unreachable, a connection breaks) do not end the wait before the deadline. The log
    is followed from the training's start; while the training is queued, only its state is requested.

    :param deadline: seconds since the epoch, by *clock*: the wait may continue in another process.
    :param logger: receives changes of the state, the ends and beginnings of attempts, and batches of whole log lines
        at INFO, and failures and warnings of the service at WARNING.
    :param sleep: awaited between two checks whether the service answers.
    :raises NotFound: the service has no such training.
    :raises Unreachable: the service did not answer once before the deadline.
    """
    lifecycle = _LifecycleEvents()
    log = asyncio.create_task(_forward_log(client, watcher, training_id, lifecycle, logger))
    errors = asyncio.create_task(_log_poll_errors(watcher, training_id, logger, sleep))
    try:
        training = await _follow_state(watcher, training_id, deadline, logger, lifecycle, clock)
        if training.state.is_final:
            await asyncio.wait({log}, timeout=LOG_DRAIN_TIMEOUT)
        return training
    finally:
        errors.cancel()
        log.cancel()
        # Not awaited one by one: a cancellation of this coroutine must be neither swallowed nor passed on to them.
        stopped, _ = await asyncio.wait({errors, log}, timeout=LOG_CLOSE_TIMEOUT)
        for task in stopped:
            if not task.cancelled() and (error := task.exception()) is not None:
                # The state decides about the training: an error in showing its log must not replace its result.
                logger.error(
                    "Showing the log of training %s failed (%s: %s); the rest of its log does not appear here",
                    training_id,
                    type(error).__name__,
                    error,
                    exc_info=error,
                )


@dataclass(frozen=True, slots=True)
class _LifecycleEvents:
    """How far a training has come."""

    log_available: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there may be a log."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def update(self, training: Training) -> None:
        # While its environment is installed, a training is pending and has a log: the installer's.
        if str(training.state) != "pending" or training.status.phase not in (None, "queued"):
            self.log_available.set()
        if training.state.is_final:
            self.ended.set()


async def _follow_state(
    watcher: TrainingWatcher,
    training_id: str,
    deadline: float | None,
    logger: TaskLogger,
    lifecycle: _LifecycleEvents,
    clock: Callable[[], float],
) -> Training:
    training: Training | None = None
    logged_status, logged_attempts, logged_warnings = "", set[str](), set[str]()
    async with aclosing(watcher.updates(training_id)) as updates:
        while True:
            left = None if deadline is None else max(0.0, deadline - clock())
            if left is not None and training is None:
                left = max(left, FIRST_STATUS_TIMEOUT)
            try:
                training = await asyncio.wait_for(anext(updates), left)
            except (asyncio.TimeoutError, StopAsyncIteration):
                break
            lifecycle.update(training)
            for line in attempt_lines(training):
                if line not in logged_attempts:
                    logger.info("Training %s: %s", training_id, line)
                    logged_attempts.add(line)
            if (status := _format_status(training)) != logged_status:
                logger.info("Training %s: %s", training_id, status)
                logged_status = status
            for warning in training.status.warnings or ():
                if warning not in logged_warnings:
                    logger.warning("Training %s: %s", training_id, escape_control_characters(warning, single_line=True))
                    logged_warnings.add(warning)
            if training.state.is_final:
                break
    if training is None:
        raise Unreachable(f"Timeout: the service sent no status of training {training_id} before the deadline")
    return training


async def _log_poll_errors(watcher: TrainingWatcher, training_id: str, logger: TaskLogger, sleep: Sleep) -> None:
    """Log why the service does not answer: at once, and once a minute while that lasts."""
    seconds_since_logged: float | None = None  # None while the service answers
    while True:
        if watcher.last_error is None:
            if seconds_since_logged is not None:
                logger.info("The service answers again; waiting for training %s", training_id)
            seconds_since_logged = None
        elif seconds_since_logged is None or seconds_since_logged >= ERROR_LOG_INTERVAL:
            logger.warning("%s", watcher.last_error)
            seconds_since_logged = 0.0
        await sleep(ERROR_CHECK_INTERVAL)
        if seconds_since_logged is not None:
            seconds_since_logged += ERROR_CHECK_INTERVAL


def _format_status(training: Training) -> str:
    status = training.status
    text = str(status.state)
    if not status.state.is_final and status.phase is not None:
        text += f", {status.phase}"
    if status.phase is Phase.RECOVERING:
        text += ": waits for GPUs"
    if status.queue_position:
        text += f" behind {status.queue_position} others"
    if status.waits_for is not None:
        text += f" until training {status.waits_for} has ended"
    return text


async def _forward_log(
    client: Client, watcher: TrainingWatcher, training_id: str, lifecycle: _LifecycleEvents, logger: TaskLogger
) -> None:
    await lifecycle.log_available.wait()
    async with aclosing(_stream_log(client, watcher, training_id, lifecycle, logger)) as chunks:
        batches = PlainBatches()
        async for text in batch_text(chunks, max_seconds=LOG_BATCH_SECONDS, max_characters=LOG_BATCH_CHARACTERS):
            if plain := batches.add(text):
                logger.info("%s", plain)


async def _stream_log(
    client: Client, watcher: TrainingWatcher, training_id: str, lifecycle: _LifecycleEvents, logger: TaskLogger
) -> AsyncGenerator[str, None]:
    from airflow_dlaas._util.retry import RetryPolicy
    from airflow_dlaas.client.log_stream import follow_log

    # Few and short retries, so that the cause of a failure is in the task's log soon.
    retries = RetryPolicy(attempts=3, first_pause=1, max_pause=5, jitter=1)
    offset, failures = 0, 0
    while True:
        try:
            async with aclosing(
                follow_log(client, training_id, offset=offset, retries=retries, training_ended=lifecycle.ended)
            ) as frames:
                async for frame in frames:
                    offset, failures = frame.status.offset or offset, 0
                    if frame.status.message:
                        yield frame.status.message
            return
        except NotFound:
            return  # the wait for the state reports it
        except DlaasError as error:
            if not error.transient:
                logger.warning("Following the log of training %s failed: %s; no retry", training_id, error)
                return
            failures += 1
            requested = error.retry_after if isinstance(error, ApiError) else None
            cause = str(error)
        if lifecycle.ended.is_set():
            logger.warning("Following the log of training %s failed: %s; the training has ended", training_id, cause)
            return
        # Random, so that the retries of many triggers do not come at the same time.
        pause = max(LOG_RETRY_INTERVAL, requested or 0) * random.SystemRandom().uniform(1, 1.5)
        if failures == 1:
            logger.warning(
                "Following the log of training %s failed (%s); retrying in %.0f s or at its end (attempt %d)",
                training_id,
                cause,
                pause,
                failures + 1,
            )
        await _wait_for_retry(watcher, lifecycle, pause)


async def _wait_for_retry(watcher: TrainingWatcher, lifecycle: _LifecycleEvents, seconds: float) -> None:
    """
    Wait *seconds* before a log that could not be followed is tried again.

    While the watcher gets no answer, no log is tried: a thousand attempts would keep a triggerer busy. The training's
    end ends the pause early: the log must be read then, within a few seconds.
    """
    pause = seconds
    while not lifecycle.ended.is_set():
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(lifecycle.ended.wait(), pause)
        if watcher.last_error is None:
            return
        pause = ERROR_CHECK_INTERVAL * random.SystemRandom().uniform(0.5, 1.5)
