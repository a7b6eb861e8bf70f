"""The trigger that waits for a training."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dlaas.hooks.dlaas import DlaasHook, make_client


class TrainingTrigger(BaseTrigger):
    """
    Watches a training until it ends, or until *deadline* on the wall clock.

    The deadline is wall-clock time because a trigger is stored and may wake up in another process. All triggers of
    one connection share one client and one question to the service.

    :param training_id: the training.
    :param dlaas_conn_id: the connection to the service.
    :param deadline: seconds since the epoch; None waits as long as it takes.
    :param owner: the task started the training itself, so ending the task by hand cancels it.
    """

    def __init__(
        self, *, training_id: str, dlaas_conn_id: str, deadline: float | None = None, owner: bool = False
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.training_id = training_id
        self.dlaas_conn_id = dlaas_conn_id
        self.deadline = deadline
        self.owner = owner

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make this trigger again, in another process."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "training_id": self.training_id,
                "dlaas_conn_id": self.dlaas_conn_id,
                "deadline": self.deadline,
                "owner": self.owner,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Report the training as last seen, or why there is none to report; `reported` reads it."""
        from airflow_dlaas.client.watch import shared
        from airflow_dlaas.errors import NotFound, Unreachable
        from airflow_dlaas.triggers.attend import attend
        from airflow_dlaas.triggers.waiting import heard, unheard

        access = await DlaasHook(self.dlaas_conn_id).aaccess()
        async with shared(access, lambda: make_client(access)) as watch:
            try:
                training = await attend(
                    watch.client, watch, self.training_id, deadline=self.deadline, say=self.log.info
                )
            except (NotFound, Unreachable) as error:
                yield TriggerEvent(unheard(error))  # type: ignore[no-untyped-call]
                return
        yield TriggerEvent(heard(training))  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """
        Cancel the training when a person ended the task.

        Airflow 3.3.0 to 3.3.2 call this for a healthy task too, when a stalled triggerer's triggers were given to
        another one; such a task is still deferred, and its training goes on.
        """
        if not self.owner or await self._still_deferred():
            return
        from airflow_dlaas.client import calls
        from airflow_dlaas.errors import DlaasError

        access = await DlaasHook(self.dlaas_conn_id).aaccess()
        with make_client(access) as client:
            try:
                await asyncio.to_thread(client.send, calls.cancel_training(self.training_id))
            except DlaasError as error:
                self.log.warning("Training %s could not be canceled: %s", self.training_id, error)
            else:
                self.log.info("Training %s was canceled, since its task was ended by hand", self.training_id)

    async def _still_deferred(self) -> bool:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

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
        return "deferred" in (states.get(ti.run_id) or {}).values()
