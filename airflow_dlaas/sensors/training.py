"""The sensor that awaits a training's completion."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.dlaas import DlaasHook, make_client
from airflow_dlaas.links.training import TrainingLink, push_training_link
from airflow_dlaas.parameters.checks import ParameterCheck, require_bool, require_text
from airflow_dlaas.sensors.deferrable import DeferrableSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.contract.training import Training


class TrainingSensor(DeferrableSensor):
    """
    Wait for a training to complete, telling its states and its log as they come.

    Returns the training's id. A training that fails, or is canceled, fails the sensor at once, with the
    service's reasons; in mode ``reschedule``, between whose looks nothing runs, no log is told.

    :param training_id: the training. (templated)
    :param deferrable: wait in the triggerer, without holding a worker. The default is Airflow's own,
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
    operator_extra_links = (TrainingLink(),)

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
        """Wait as the parameters say: deferred, here, or from look to look."""
        from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY

        self.check_parameters(rendered=True)
        begun = time.time()
        push_training_link(context)
        context["ti"].xcom_push(key=TRAINING_XCOM_KEY, value={"id": self.training_id, "connection": self.dlaas_conn_id})
        with self.skip_on_failure():
            if self.deferrable:
                self._defer_unless_ended(self.deadline_from(begun))
            elif self.reschedule:
                return super().execute(context)
            from airflow_dlaas.task_runs.wait_for_training import wait_for_training_sync

            access = DlaasHook(self.dlaas_conn_id).service_connection
            return self._require_completed(
                wait_for_training_sync(access, self.training_id, deadline=begun + self.timeout, logger=self.log)
            )

    def poke(self, context: Context) -> Any:
        """Look once (mode ``reschedule``)."""
        from airflow.sdk import PokeReturnValue

        training = self._poll()
        if training is None or not training.state.is_final:
            return False
        return PokeReturnValue(is_done=True, xcom_value=self._require_completed(training))

    def resume(self, context: Context, event: Any) -> str:
        """Take up the task when its trigger has reported."""
        from airflow_dlaas.task_runs.trigger_events import parse_training_event

        return self._require_completed(parse_training_event(event))

    def _defer_unless_ended(self, deadline: float) -> None:
        """Look once first: a trigger that fires at once races the end of this process, and the task may fail by it."""
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
        self.defer_until(trigger, deadline, method_name=self.resume.__name__)

    def _poll(self) -> Training | None:
        """
        Ask for the training once; None where the service cannot answer now.

        :raises ServiceError: the service refuses; a later look would not change that.
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
                self.log.warning("Asking for training %s failed (%s); asking again", self.training_id, error)
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
