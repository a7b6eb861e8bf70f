"""Follows a training until it has ended: its states, and its log with the metrics."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from functools import partial

from airflow_dlaas._util.threads import run_in_thread
from airflow_dlaas.cli.train.log_lines import LogLines
from airflow_dlaas.cli.train.output import PlainOutput
from airflow_dlaas.cli.train.view import FollowView
from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.log_stream import follow_log
from airflow_dlaas.client.training_watcher import TrainingWatcher
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import DlaasError

LOG_DRAIN_TIMEOUT = 10.0
"""Seconds to wait for the rest of the log after the training has ended."""

LOADING_INTERVAL = 2.0
"""Seconds between two requests for the progress of the training data."""

PROBLEM_INTERVAL = 1.0
"""Seconds between two checks whether the service answers."""


def follow_training(client: Client, training_id: str, output: PlainOutput, view: FollowView) -> Training:
    """
    Show the training until it has ended, and return it. Blocks; a KeyboardInterrupt ends it at once.

    Transient errors do not end it: they are shown, and the requests are retried. An error of the log stream that lasts
    ends only the log.

    :raises NotFound: the training was deleted.
    """
    with output.following(view):
        return asyncio.run(_follow(client, training_id, output, view))


async def _follow(client: Client, training_id: str, output: PlainOutput, view: FollowView) -> Training:
    watcher = TrainingWatcher(client)
    ended = asyncio.Event()
    log = asyncio.create_task(_show_log(client, training_id, output, view, ended))
    problems = asyncio.create_task(_show_problems(watcher, output, view))
    loading = asyncio.create_task(_show_loading(client, training_id, view))
    training: Training | None = None
    try:
        async with aclosing(watcher.updates(training_id)) as updates:
            async for training in updates:
                view.update(training)
                for line in view.take_ended_attempts():
                    output.step("attempt", line)
                for line in view.take_data():
                    output.step("data", line)
                output.update(view)
        ended.set()
        await asyncio.wait({log}, timeout=LOG_DRAIN_TIMEOUT)
    finally:
        for task in (log, problems, loading):
            task.cancel()
        await asyncio.wait({log, problems, loading})
    assert training is not None and training.state.is_final  # noqa: S101, PT018 - `updates` ends after a final state
    return training


async def _show_log(
    client: Client, training_id: str, output: PlainOutput, view: FollowView, ended: asyncio.Event
) -> None:
    lines = LogLines()
    try:
        async with aclosing(follow_log(client, training_id, training_ended=ended)) as frames:
            async for frame in frames:
                view.metrics.add(frame.status.metrics or ())
                if frame.status.message:
                    output.log(frame.status.message, lines.feed(frame.status.message))
                    view.current_line = lines.current
    except DlaasError as error:
        output.step("log", f"cannot be followed any more: {error}")
    output.end_log(lines.rest())
    view.current_line = ""


async def _show_loading(client: Client, training_id: str, view: FollowView) -> None:
    """Keep the progress of the training data up to date, which is no change of the training."""
    while True:
        if not view.may_load:
            view.loading = None
        else:
            with suppress(DlaasError):  # the next request may succeed; a lasting problem is shown by another task
                training = await run_in_thread(partial(client.send, calls.get_training(training_id)))
                view.loading = training.status.loading
        await asyncio.sleep(LOADING_INTERVAL)


async def _show_problems(watcher: TrainingWatcher, output: PlainOutput, view: FollowView) -> None:
    """Show why the service does not answer, once for each failure that lasts, and when it answers again."""
    while True:
        problem = watcher.last_error
        if problem is not None and view.problem is None:
            output.step("service", problem)
        elif problem is None and view.problem is not None:
            output.step("service", "answers again")
        view.problem = problem
        await asyncio.sleep(PROBLEM_INTERVAL)
