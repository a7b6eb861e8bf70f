"""The trigger of a task that trains: it submits the training, waits for it, and cancels it when the task is ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dlaas.hooks.dlaas import DlaasHook, make_client
from airflow_dlaas.hooks.swift import SwiftHook

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training

SUBMIT_PATIENCE = 300.0
"""Seconds for which a service that is away is asked again to take a training."""

SUBMIT_PAUSE = 10.0

CANCEL_LIMIT = 25.0
"""Seconds that ending a training is waited for; Airflow itself allows 30 (``[triggerer] on_kill_timeout``)."""

CANCEL_PATIENCE = 3600.0
"""Seconds for which a service that is away is asked again to end a training, as long as the triggerer lives."""


class TrainModelTrigger(BaseTrigger):
    """
    Submits a training, under a key that makes it the same one however often this is begun, and watches it.

    It is submitted here and not by the task's first half: of a task that is ended while no triggerer has taken up its
    trigger yet, Airflow tells nobody, and its training would run on. So there is none before there is somebody to
    cancel it.

    :param definition: the definition, naming Airflow connections; no secret is in it.
    :param definition_location: the experiment's version, where the definition does not name it itself.
    :param key: the key of the `airflow_dlaas.hooks.tag.Tag` it is submitted under.
    :param since: since when trainings of this task may exist, in seconds since the epoch.
    :param timeout: seconds the training may take from its submission.
    :param dlaas_conn_id: the connection to the service.
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
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.definition = dict(definition)
        self.definition_location = definition_location
        self.key = key
        self.since = since
        self.timeout = timeout
        self.dlaas_conn_id = dlaas_conn_id
        self._submitting: TrainingDefinition | None = None
        self._training_id: str | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make this trigger again, in another process."""
        names = ("definition", "definition_location", "key", "since", "timeout", "dlaas_conn_id")
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {name: getattr(self, name) for name in names},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Report the training as last seen, or why there is none to report; `reported` reads it."""
        from airflow_dlaas.client.watch import shared
        from airflow_dlaas.triggers.attend import attend
        from airflow_dlaas.triggers.waiting import deadline_after, heard, unheard

        try:
            access = await DlaasHook(self.dlaas_conn_id).aaccess()
            async with shared(access, lambda: make_client(access)) as watch:
                training = await self._submit(watch.client)
                timeout = None if self.timeout is None else timedelta(seconds=self.timeout)
                deadline = deadline_after(training.status.submitted_at, timeout)
                training = await attend(watch.client, watch, training.id, deadline=deadline, say=self.log.info)
            report = heard(training)
        except asyncio.CancelledError:
            if not hasattr(BaseTrigger, "on_kill"):  # before Airflow 3.3 nobody calls it but we
                await asyncio.wait_for(self.on_kill(), CANCEL_LIMIT)
            raise
        except Exception as error:  # noqa: BLE001 - carried to the worker: of one that escapes, nobody would clean up
            report = unheard(error)
        yield TriggerEvent(report)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """
        Cancel the training when a person ended the task: marked it, cleared it, deleted its run.

        Airflow 3.3.0 to 3.3.2 call this for a healthy task too, when a stalled triggerer's triggers were given to
        another one; such a task is still deferred and still about this training, which goes on.
        """
        if await self._still_ours():
            self.log.info("Another triggerer has taken over; the training goes on")
            return
        from airflow_dlaas.client.aside import aside

        access = await DlaasHook(self.dlaas_conn_id).aaccess()
        with make_client(access) as client:
            try:
                await asyncio.wait_for(aside(lambda: self._stop(client)), CANCEL_LIMIT)
            except asyncio.TimeoutError:
                self.log.warning("The training under key %s is not canceled yet; that is tried on", self.key)

    async def _submit(self, client: Client) -> Training:
        from airflow_dlaas.client.aside import aside
        from airflow_dlaas.errors import DlaasError
        from airflow_dlaas.hooks.definition import connection_ids, join
        from airflow_dlaas.hooks.submission import introduce, submit
        from airflow_dlaas.hooks.tag import Tag

        stores = {name: await SwiftHook(name).aaccess() for name in connection_ids(self.definition)}
        definition = join(self.definition, stores.__getitem__, location=self.definition_location)
        tag, since = Tag.of_key(self.key), self._since
        self._submitting = definition
        training: Training | None = None
        until = time.monotonic() + SUBMIT_PATIENCE
        while training is None:
            try:
                training = await aside(lambda: submit(client, definition, tag, since=since, say=self.log.info))
            except DlaasError as error:  # noqa: PERF203 - the loop is there for the error
                if not error.transient or time.monotonic() > until:
                    raise
                self.log.warning("The training could not be submitted yet, and is again in a moment: %s", error)
                await asyncio.sleep(SUBMIT_PAUSE)
        self._submitting, self._training_id = None, training.id
        introduce(training, self.log.info)
        await self._note(training.id)
        return training

    @property
    def _since(self) -> datetime | None:
        return None if self.since is None else datetime.fromtimestamp(self.since, timezone.utc)

    def _stop(self, client: Client) -> None:
        """End the training, however long the service is away; in a thread that `on_kill` may leave behind."""
        from airflow_dlaas.hooks.submission import cancel, stop
        from airflow_dlaas.hooks.tag import Tag

        tag, until = Tag.of_key(self.key), time.monotonic() + CANCEL_PATIENCE
        while time.monotonic() < until:
            if self._training_id is not None:
                settled = cancel(client, self._training_id, self.log.info)
            else:
                settled = stop(client, tag, self._submitting, since=self._since, say=self.log.info)
            if settled:
                return
            time.sleep(SUBMIT_PAUSE)

    async def _note(self, training_id: str) -> None:
        """Tell the UI which training it is, as soon as there is one."""
        from airflow.sdk.execution_time.xcom import XCom

        from airflow_dlaas.hooks.tag import MARK

        ti = self.task_instance
        if ti is not None:
            own = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
            mark = {"key": self.key, "connection": self.dlaas_conn_id, "id": training_id}
            await asyncio.to_thread(XCom.set, MARK, mark, **own)

    async def _still_ours(self) -> bool:
        """Whether the task waits on, for this training: a new try or a cleared one has set another mark, or none."""
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
        from airflow.sdk.execution_time.xcom import XCom

        from airflow_dlaas.hooks.tag import MARK

        ti = self.task_instance
        if ti is None:
            return False
        states = await asyncio.to_thread(
            RuntimeTaskInstance.get_task_states,
            dag_id=ti.dag_id,
            task_ids=[ti.task_id],
            run_ids=[ti.run_id],
            map_index=ti.map_index,
        )
        if "deferred" not in (states.get(ti.run_id) or {}).values():
            return False
        mark = await asyncio.to_thread(
            XCom.get_one, key=MARK, dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=ti.map_index
        )
        return isinstance(mark, Mapping) and mark.get("key") == self.key
