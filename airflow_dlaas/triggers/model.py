"""The trigger of a task that trains: it submits the training, waits for it, and cancels it when the task is ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dlaas.hooks.dlaas import DlaasHook, make_client
from airflow_dlaas.hooks.swift import SwiftHook
from airflow_dlaas.task_runs.first_event import wait_before_first_event
from airflow_dlaas.task_runs.shielded_work import ShieldedWork

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.connections import ServiceConnection

SUBMIT_RETRY_TIMEOUT = 300.0
"""Seconds for which a service that is away is asked again to take a training."""

SUBMIT_RETRY_INTERVAL = 10.0

CANCEL_WAIT_TIMEOUT = 25.0
"""Seconds that ending a training is waited for; Airflow itself allows 30 (``[triggerer] on_kill_timeout``)."""

CANCEL_RETRY_INTERVAL = 10.0
"""Seconds between two tries to end a training."""

CANCEL_RETRY_TIMEOUT = 3600.0
"""Seconds for which a service that is away is asked again to end a training, as long as the triggerer lives."""


class TrainModelTrigger(BaseTrigger):
    """
    Submits a training, under a key that makes it the same one however often this is begun, and watches it.

    It is submitted here and not by the task's first half: of a task that is ended while no triggerer has taken up its
    trigger yet, Airflow tells nobody, and its training would run on. So there is none before there is somebody to
    cancel it.

    :param definition: the definition, naming Airflow connections; no secret is in it.
    :param definition_location: the experiment's version, where the definition does not name it itself.
    :param key: the key of the `airflow_dlaas.task_runs.run_key.Tag` it is submitted under.
    :param since: since when trainings of this task may exist, in seconds since the epoch.
    :param timeout: seconds the training may take from its submission.
    :param dlaas_conn_id: the connection to the service.
    :param deferred_at: when the task was deferred, in seconds since the epoch; see `first_event`.
    """

    def __init__(
        self,
        *,
        definition: Mapping[str, Any],
        definition_location: str | None,
        key: str,
        since: float | None,
        timeout: float | None,
        dlaas_conn_id: str,
        deferred_at: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.definition = dict(definition)
        self.definition_location = definition_location
        self.key = key
        self.since = since
        self.timeout = timeout
        self.dlaas_conn_id = dlaas_conn_id
        self.deferred_at = deferred_at
        self._service_connection: ServiceConnection | None = None
        self._pending_definition: TrainingDefinition | None = None
        self._training_id: str | None = None
        self._cancellation = ShieldedWork(self._cancel_training, f"Canceling the training under key {key}")

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make this trigger again, in another process."""
        names = ("definition", "definition_location", "key", "since", "timeout", "dlaas_conn_id", "deferred_at")
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {name: getattr(self, name) for name in names},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Report the training as last seen, or why there is none to report; `reported` reads it."""
        try:
            report = await self._submit_and_wait()
            await wait_before_first_event(self.deferred_at)
        except asyncio.CancelledError as canceled:
            # Airflow 3.3 cancels with a message where a person ended the task, and without one where the triggerer
            # shuts down; before 3.3 it never gives one. The training is canceled from here on: between this and
            # `on_kill` Airflow awaits other things, where the next cancellation would skip `on_kill`.
            if not hasattr(BaseTrigger, "on_kill"):
                await self.on_kill()
            elif canceled.args:
                await self._cancellation.join(CANCEL_WAIT_TIMEOUT)
            raise
        # `airflow dags test` resumes the task with the event alone: the key goes with it.
        yield TriggerEvent(report | {"key": self.key})  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """
        Cancel the training when a person ended the task: marked it, cleared it, deleted its run.

        Airflow 3.3.0 to 3.3.2 call this for a healthy task too, when a stalled triggerer's triggers were given to
        another one; such a task is still deferred and still about this training, which goes on.
        """
        if not await self._cancellation.join(CANCEL_WAIT_TIMEOUT):
            self.log.warning(
                "The training under key %s is not canceled after %.0f s; the triggerer keeps trying for %.0f s",
                self.key,
                CANCEL_WAIT_TIMEOUT,
                CANCEL_RETRY_TIMEOUT,
            )

    async def _submit_and_wait(self) -> dict[str, Any]:
        from airflow_dlaas.client.training_watcher import shared_watcher
        from airflow_dlaas.task_runs.trigger_events import deadline_after, error_event, training_event
        from airflow_dlaas.task_runs.wait_for_training import wait_for_training

        try:
            self._service_connection = access = await DlaasHook(self.dlaas_conn_id).aget_service_connection()
            async with shared_watcher(access, partial(make_client, access)) as watch:
                training = await self._submit(watch.client)
                timeout = None if self.timeout is None else timedelta(seconds=self.timeout)
                deadline = deadline_after(training.status.submitted_at, timeout)
                training = await wait_for_training(
                    watch.client, watch, training.id, deadline=deadline, say=self.log.info
                )
            return training_event(training)
        except Exception as error:  # noqa: BLE001 - carried to the worker: of one that escapes, nobody would clean up
            return error_event(error)

    async def _cancel_training(self) -> None:
        """Cancel the training unless its task still waits for it; try again while the service or Airflow is away."""
        from airflow_dlaas._util.threads import run_in_thread
        from airflow_dlaas.client.training_watcher import shared_watcher
        from airflow_dlaas.task_runs.training_xcom import is_waiting_for_training

        until = time.monotonic() + CANCEL_RETRY_TIMEOUT
        while time.monotonic() < until:
            try:
                if await is_waiting_for_training(self.task_instance, self.key):
                    self.log.info("Another triggerer has taken over; the training goes on")
                    return
                access = self._service_connection or await DlaasHook(self.dlaas_conn_id).aget_service_connection()
                # One client for all that are canceled at once: one token, and connections that are used again.
                async with shared_watcher(access, partial(make_client, access)) as watch:
                    if await run_in_thread(partial(self._try_cancel, watch.client)):
                        return
            except Exception as error:  # noqa: BLE001 - whatever it is, a training that runs on unnoticed is worse
                self.log.warning(
                    "Canceling the training under key %s failed (%s); retrying in %.0f s",
                    self.key,
                    error,
                    CANCEL_RETRY_INTERVAL,
                )
            # The password may have been changed meanwhile: the connection is read anew.
            self._service_connection = None
            await asyncio.sleep(CANCEL_RETRY_INTERVAL)
        self.log.error("The training under key %s could not be canceled and may still run", self.key)

    async def _submit(self, client: Client) -> Training:
        from airflow_dlaas._util.threads import run_in_thread
        from airflow_dlaas.exceptions import DlaasError
        from airflow_dlaas.task_runs.definition import build_definition, conn_ids
        from airflow_dlaas.task_runs.run_key import RunKey
        from airflow_dlaas.task_runs.submit import log_training, submit_training
        from airflow_dlaas.task_runs.training_xcom import push_training_xcom

        stores = {name: await SwiftHook(name).aget_swift_connection() for name in conn_ids(self.definition)}
        definition = build_definition(self.definition, stores.__getitem__, location=self.definition_location)
        tag, since = RunKey.parse(self.key), self._earliest_submission
        self._pending_definition = definition
        training: Training | None = None
        until = time.monotonic() + SUBMIT_RETRY_TIMEOUT
        while training is None:
            try:
                training = await run_in_thread(
                    lambda: submit_training(client, definition, tag, since=since, say=self.log.info)
                )
            except DlaasError as error:  # noqa: PERF203 - the loop is there for the error
                if not error.transient or time.monotonic() > until:
                    raise
                self.log.warning("The training could not be submitted yet, and is again in a moment: %s", error)
                await asyncio.sleep(SUBMIT_RETRY_INTERVAL)
        self._pending_definition, self._training_id = None, training.id
        log_training(training, self.log.info)
        try:
            await push_training_xcom(self.task_instance, self.key, self.dlaas_conn_id, training.id)
        except Exception as error:  # noqa: BLE001 - only the pages read the id: no training is ended for it
            self.log.warning(
                "Writing the id of training %s to the XCom of its task failed (%s); the pages in Airflow's UI do "
                "not show the training",
                training.id,
                error,
            )
        return training

    @property
    def _earliest_submission(self) -> datetime | None:
        return None if self.since is None else datetime.fromtimestamp(self.since, timezone.utc)

    def _try_cancel(self, client: Client) -> bool:
        """Ask the service once to cancel the training; whether that is settled, or worth another try. Blocks."""
        from airflow_dlaas.task_runs.run_key import RunKey
        from airflow_dlaas.task_runs.submit import cancel_by_key, try_cancel

        if self._training_id is not None:
            return try_cancel(client, self._training_id, self.log.info)
        return cancel_by_key(
            client, RunKey.parse(self.key), self._pending_definition, since=self._earliest_submission, say=self.log.info
        )
