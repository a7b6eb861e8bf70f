"""The trigger of a task that trains: it submits the training, waits for it, and cancels it if the task is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dlaas.hooks.dlaas import DlaasHook, make_client
from airflow_dlaas.hooks.object_store import ObjectStoreHook
from airflow_dlaas.task_runs.first_event import wait_before_first_event
from airflow_dlaas.task_runs.shielded_work import ShieldedWork

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.connections import ServiceConnection
    from airflow_dlaas.task_runs.sent_stores import SentStores

SUBMIT_RETRY_TIMEOUT = 300.0
"""Seconds after the first failure for which the submission is retried while the service is unreachable."""

SUBMIT_RETRY_INTERVAL = 10.0
"""Seconds between two attempts to submit a training."""

CANCEL_WAIT_TIMEOUT = 25.0
"""Seconds to wait until the training is canceled; Airflow allows 30 (``[triggerer] on_kill_timeout``)."""

CANCEL_RETRY_INTERVAL = 10.0
"""Seconds between two attempts to cancel a training."""

CANCEL_RETRY_TIMEOUT = 3600.0
"""Seconds for which a cancel is retried while the service is unreachable, as long as the triggerer runs."""


class TrainModelTrigger(BaseTrigger):
    """
    Submits a training under a key, and waits for it. However often the trigger is started, there is one training.

    Submission happens in the trigger, not in `execute`: if the task is killed before a triggerer runs its trigger,
    Airflow calls no `on_kill`, and a training submitted earlier would run on. So no training exists before its trigger
    can cancel it.

    :param definition: the definition, with Airflow connections by name and references to secrets; it has no secret.
    :param definition_location: the experiment version, if the definition does not name it.
    :param key: the key of the `airflow_dlaas.task_runs.run_key.RunKey` of the training.
    :param since: the earliest time at which trainings of this task can have been submitted, in seconds since the epoch.
    :param timeout: seconds that the training may take from its submission; None means no limit.
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
        """Return the class path and the arguments from which another process makes this trigger again."""
        names = ("definition", "definition_location", "key", "since", "timeout", "dlaas_conn_id", "deferred_at")
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {name: getattr(self, name) for name in names},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the last known status of the training, or an error; `parse_training_event` reads it."""
        try:
            event = await self._submit_and_wait()
            await wait_before_first_event(self.deferred_at)
        except asyncio.CancelledError as canceled:
            # Airflow 3.3 cancels with a message if a user ended the task, and without one if the triggerer shuts down;
            # before 3.3 there is never a message. The cancel of the training starts here: between this point and
            # `on_kill`, Airflow awaits other things, where a further cancellation would skip `on_kill`.
            if not hasattr(BaseTrigger, "on_kill"):
                await self.on_kill()
            elif canceled.args:
                await self._cancellation.join(CANCEL_WAIT_TIMEOUT)
            raise
        # `airflow dags test` resumes the task with the event alone, so the event has the key too.
        yield TriggerEvent(event | {"key": self.key})  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """
        Cancel the training after a user ended the task: set its state, cleared it or deleted its run.

        Airflow 3.3.0 to 3.3.2 call this also if the triggers of a stalled triggerer were assigned to another one. The
        task is still deferred then and waits for this training, which goes on.
        """
        if not await self._cancellation.join(CANCEL_WAIT_TIMEOUT):
            self.log.warning(
                "Canceling the training under key %s has not succeeded after %.0f s; the triggerer retries for %.0f s",
                self.key,
                CANCEL_WAIT_TIMEOUT,
                CANCEL_RETRY_TIMEOUT,
            )

    async def _submit_and_wait(self) -> dict[str, Any]:
        from airflow_dlaas.client.training_watcher import shared_watcher
        from airflow_dlaas.task_runs.trigger_events import error_event, training_event
        from airflow_dlaas.task_runs.wait_for_training import deadline_after, wait_for_training

        try:
            connection = await DlaasHook(self.dlaas_conn_id).aget_service_connection()
            self._service_connection = connection
            async with shared_watcher(connection, partial(make_client, connection)) as watcher:
                training = await self._submit(watcher.client)
                timeout = None if self.timeout is None else timedelta(seconds=self.timeout)
                deadline = deadline_after(training.status.submitted_at, timeout)
                training = await wait_for_training(
                    watcher.client, watcher, training.id, deadline=deadline, logger=self.log
                )
            return training_event(training)
        except Exception as error:
            # The worker raises the error, and cancels the training.
            self.log.warning(
                "The submission of the training under key %s, or the wait for it, failed (%s); the task gets the error",
                self.key,
                error,
                exc_info=error,
            )
            return error_event(error)

    async def _submit(self, client: Client) -> Training:
        from airflow_dlaas._util.retry import RetryPolicy, call_with_retry_async
        from airflow_dlaas._util.threads import run_in_thread
        from airflow_dlaas.exceptions import is_transient
        from airflow_dlaas.task_runs.definition import build_definition
        from airflow_dlaas.task_runs.run_key import RunKey
        from airflow_dlaas.task_runs.secrets import aread_secrets
        from airflow_dlaas.task_runs.submit import log_training, submit_training
        from airflow_dlaas.task_runs.training_xcom import push_training_xcom

        stores = await self._find_stores()
        definition = build_definition(
            self.definition,
            stores.by_conn_id.__getitem__,
            location=self.definition_location,
            secret_values=await aread_secrets(self.definition),
        )
        for warning in stores.warnings:
            self.log.warning("%s", warning)
        run_key, since = RunKey.parse(self.key), self._earliest_submission
        self._pending_definition = definition
        training = await call_with_retry_async(
            lambda: run_in_thread(lambda: submit_training(client, definition, run_key, since=since, logger=self.log)),
            RetryPolicy(
                attempts=None,
                first_pause=SUBMIT_RETRY_INTERVAL,
                max_pause=SUBMIT_RETRY_INTERVAL,
                factor=1,
                jitter=0,
                total_seconds=SUBMIT_RETRY_TIMEOUT,
            ),
            what=f"Submitting the training under key {self.key}",
            is_transient=is_transient,
            logger=self.log,
        )
        self._pending_definition, self._training_id = None, training.id
        log_training(training, self.log)
        try:
            await push_training_xcom(self.task_instance, self.key, self.dlaas_conn_id, training.id)
        except Exception as error:  # noqa: BLE001 - only the pages in Airflow's UI read the id: the training goes on
            self.log.warning(
                "Writing the id of training %s to the XCom of its task failed (%s); the pages in Airflow's UI do "
                "not show the training",
                training.id,
                error,
            )
        return training

    async def _find_stores(self) -> SentStores:
        from asgiref.sync import sync_to_async

        from airflow_dlaas.task_runs.definition import conn_ids
        from airflow_dlaas.task_runs.sent_stores import find_sent_stores

        connections = {name: await ObjectStoreHook(name).aget_store_connection() for name in conn_ids(self.definition)}
        # A thread of asgiref: the hooks of other providers read their connections themselves, through the event loop.
        found: SentStores = await sync_to_async(find_sent_stores, thread_sensitive=False)(connections)
        return found

    async def _cancel_training(self) -> None:
        """Cancel the training unless its task still waits for it; retry while the service or Airflow is unreachable."""
        from airflow_dlaas._util.threads import run_in_thread
        from airflow_dlaas.client.training_watcher import shared_watcher
        from airflow_dlaas.task_runs.training_xcom import is_waiting_for_training

        until = time.monotonic() + CANCEL_RETRY_TIMEOUT
        attempt = 1
        while time.monotonic() < until:
            try:
                if await is_waiting_for_training(self.task_instance, self.key):
                    self.log.info("Another triggerer has taken over; the training under key %s goes on", self.key)
                    return
                connection = self._service_connection or await DlaasHook(self.dlaas_conn_id).aget_service_connection()
                # One client for all triggers that are canceled at once: one token, and connections that are reused.
                async with shared_watcher(connection, partial(make_client, connection)) as watcher:
                    await run_in_thread(partial(self._cancel_once, watcher.client))
                return
            except Exception as error:  # noqa: BLE001 - after any error, the training may still run
                attempt += 1
                self.log.warning(
                    "Canceling the training under key %s failed (%s); retrying in %.0f s (attempt %d)",
                    self.key,
                    error,
                    CANCEL_RETRY_INTERVAL,
                    attempt,
                )
            # The password may have been changed, so the connection is read again.
            self._service_connection = None
            await asyncio.sleep(CANCEL_RETRY_INTERVAL)
        self.log.error(
            "Canceling the training under key %s failed after %d attempts; the training may still run",
            self.key,
            attempt - 1,
        )

    def _cancel_once(self, client: Client) -> None:
        """
        Cancel the training; log an error after which a retry cannot help. Blocks.

        :raises DlaasError: a retry can help.
        """
        from airflow_dlaas.exceptions import DlaasError
        from airflow_dlaas.task_runs.cancel import can_retry_cancel, cancel_training
        from airflow_dlaas.task_runs.cancel_by_key import cancel_by_key
        from airflow_dlaas.task_runs.run_key import RunKey

        try:
            if self._training_id is not None:
                cancel_training(client, self._training_id, self.log)
            else:
                cancel_by_key(
                    client,
                    RunKey.parse(self.key),
                    self._pending_definition,
                    since=self._earliest_submission,
                    logger=self.log,
                )
        except DlaasError as error:
            if can_retry_cancel(error):
                raise
            self.log.warning("Canceling the training under key %s failed (%s); a retry cannot help", self.key, error)

    @property
    def _earliest_submission(self) -> datetime | None:
        return None if self.since is None else datetime.fromtimestamp(self.since, timezone.utc)
