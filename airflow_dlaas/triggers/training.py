"""The trigger that waits for a training."""

from __future__ import annotations

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
    :param deferred_at: when the task was deferred, in seconds since the epoch; see `first_event`.
    """

    def __init__(
        self,
        *,
        training_id: str,
        dlaas_conn_id: str,
        deadline: float | None = None,
        deferred_at: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.training_id = training_id
        self.dlaas_conn_id = dlaas_conn_id
        self.deadline = deadline
        self.deferred_at = deferred_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make this trigger again, in another process."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "training_id": self.training_id,
                "dlaas_conn_id": self.dlaas_conn_id,
                "deadline": self.deadline,
                "deferred_at": self.deferred_at,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Report the training as last seen, or why there is none to report; `reported` reads it."""
        from airflow_dlaas.client.training_watcher import shared_watcher
        from airflow_dlaas.task_runs.first_event import wait_before_first_event
        from airflow_dlaas.task_runs.trigger_events import error_event, training_event
        from airflow_dlaas.task_runs.wait_for_training import wait_for_training

        try:
            access = await DlaasHook(self.dlaas_conn_id).aget_service_connection()
            async with shared_watcher(access, lambda: make_client(access)) as watch:
                training = await wait_for_training(
                    watch.client, watch, self.training_id, deadline=self.deadline, say=self.log.info
                )
            report = training_event(training)
        except Exception as error:  # noqa: BLE001 - carried to the worker: of one that escapes, nobody would clean up
            report = error_event(error)
        await wait_before_first_event(self.deferred_at)
        yield TriggerEvent(report)  # type: ignore[no-untyped-call]
