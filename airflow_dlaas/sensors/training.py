"""The sensor that waits for a training to complete."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.dlaas import DlaasHook, make_client
from airflow_dlaas.links.lazy_links import LazyLinks
from airflow_dlaas.parameters.checks import ParameterCheck, require_bool, require_text
from airflow_dlaas.sensors.deferrable import DeferrableSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.contract.training import Training


class TrainingSensor(DeferrableSensor):
    """
    Wait for a training to complete; its states and its log appear in the task's log.

    Returns the training's id. A training that fails or is canceled fails the sensor at once, with the service's
    messages. In mode ``reschedule`` the log does not appear: no process runs between two pokes.

    :param training_id: the training. (templated)
    :param deferrable: wait in the triggerer, without occupying a worker. The default is Airflow's option
        ``[operators] default_deferrable``.
    :param dlaas_conn_id: the connection to the service. (templated)
    """

    template_fields: Sequence[str] = ("training_id", "dlaas_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "training_id": require_text,
        "deferrable": require_bool,
        "dlaas_conn_id": require_text,
    }
    ui_color = "#e8defa"
    operator_extra_links = LazyLinks("TrainingLink")

    def __init__(
        self,
        *,
        training_id: str,
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.training_id = training_id
        self.dlaas_conn_id = dlaas_conn_id
        self.check_parameters()

    def execute(self, context: Context) -> Any:
        """Wait deferred, in this process or from poke to poke, as `deferrable` and `mode` define."""
        from airflow_dlaas.links.training import push_training_link
        from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY

        self.check_parameters(rendered=True)
        started_at = time.time()
        push_training_link(context)
        context["ti"].xcom_push(key=TRAINING_XCOM_KEY, value={"id": self.training_id, "connection": self.dlaas_conn_id})
        with self.skip_on_failure():
            if self.deferrable:
                self._defer_unless_ended(self.deadline_from(started_at))
            elif self.reschedule:
                return super().execute(context)
            from airflow_dlaas.task_runs.wait_for_training import wait_for_training_sync

            connection = DlaasHook(self.dlaas_conn_id).service_connection
            return self._require_completed(
                wait_for_training_sync(
                    connection, self.training_id, deadline=started_at + self.timeout, logger=self.log
                )
            )

    def poke(self, context: Context) -> Any:
        """Request the status once (mode ``reschedule``)."""
        from airflow.sdk import PokeReturnValue

        training = self._poll()
        if training is None or not training.state.is_final:
            return False
        return PokeReturnValue(is_done=True, xcom_value=self._require_completed(training))

    def execute_complete(self, context: Context, event: Any = None) -> str:
        """Finish the task with the event of its trigger; return the training's id."""
        from airflow_dlaas.task_runs.trigger_events import parse_training_event

        return self._require_completed(parse_training_event(event))

    def _defer_unless_ended(self, deadline: float) -> None:
        """Defer, unless the training has ended: a trigger that fires at once races this process."""
        from airflow_dlaas.triggers.training import TrainingTrigger

        training = self._poll()
        if training is not None and training.state.is_final:
            return
        trigger = TrainingTrigger(
            training_id=self.training_id,
            dlaas_conn_id=self.dlaas_conn_id,
            deadline=deadline,
            deferred_at=time.time(),
        )
        self.defer_until(trigger, deadline, method_name=self.execute_complete.__name__)

    def _poll(self) -> Training | None:
        """
        Request the training once; None after a transient error.

        :raises ServiceError: an error that a retry cannot cure.
        """
        from airflow_dlaas._util.retry import NO_RETRY
        from airflow_dlaas.client import calls
        from airflow_dlaas.exceptions import ServiceError

        with make_client(DlaasHook(self.dlaas_conn_id).service_connection) as client:
            try:
                training = client.send(calls.get_training(self.training_id), retries=NO_RETRY)
            except ServiceError as error:
                if not error.transient:
                    raise
                self.log.warning(
                    "Requesting training %s failed (%s); the sensor continues to wait", self.training_id, error
                )
                return None
        self.log.info("Training %s is %s", training.id, training.state)
        return training

    def _require_completed(self, training: Training) -> str:
        from airflow_dlaas.contract.outcome import raise_for_state
        from airflow_dlaas.exceptions import TrainingOverdue

        try:
            return raise_for_state(training).id
        except TrainingOverdue as error:
            raise self.timeout_error(str(error)) from error
