"""The trigger that waits for a training."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dlaas.hooks.dlaas import DlaasHook, make_client


class TrainingTrigger(BaseTrigger):
    """
    Waits until a training has ended, or until *deadline* on the wall clock.

    The deadline is wall-clock time because a trigger is stored and may continue in another process. All triggers of
    one connection share one client and one request to the service.

    :param training_id: the training.
    :param dlaas_conn_id: the connection to the service.
    :param deadline: seconds since the epoch; None means no limit.
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
        """Return the class path and the arguments from which another process makes this trigger again."""
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
        """Yield one event: the last known status of the training, or an error; `parse_training_event` reads it."""
        from airflow_dlaas.client.training_watcher import shared_watcher
        from airflow_dlaas.task_runs.first_event import wait_before_first_event
        from airflow_dlaas.task_runs.trigger_events import error_event, training_event
        from airflow_dlaas.task_runs.wait_for_training import wait_for_training

        try:
            connection = await DlaasHook(self.dlaas_conn_id).aget_service_connection()
            async with shared_watcher(connection, lambda: make_client(connection)) as watcher:
                training = await wait_for_training(
                    watcher.client, watcher, self.training_id, deadline=self.deadline, logger=self.log
                )
            event = training_event(training)
        except Exception as error:
            # The worker raises the error: Airflow hides the cause of an error that leaves a trigger.
            self.log.warning(
                "Waiting for training %s failed (%s); the task is resumed with the error",
                self.training_id,
                error,
                exc_info=error,
            )
            event = error_event(error)
        await wait_before_first_event(self.deferred_at)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]
