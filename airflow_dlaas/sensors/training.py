"""The sensor that awaits a training's completion."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.links.training import TrainingLink, show_training

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.contract.training import Training


class TrainingSensor(BaseSensorOperator):
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
    ui_color = "#e8defa"
    operator_extra_links = (TrainingLink(),)

    def __init__(
        self,
        *,
        training_id: str,
        deferrable: bool | None = None,
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.training_id = training_id
        if deferrable is None:
            from airflow_dlaas.hooks.compat import conf

            deferrable = conf.getboolean("operators", "default_deferrable", fallback=False)
        self.deferrable = deferrable
        self.dlaas_conn_id = dlaas_conn_id

    def execute(self, context: Context) -> Any:
        """Wait as the parameters say: deferred, here, or from look to look."""
        from airflow_dlaas.hooks.tag import MARK

        deadline = time.time() + self.timeout
        show_training(context)
        context["ti"].xcom_push(key=MARK, value={"id": self.training_id, "connection": self.dlaas_conn_id})
        if self.deferrable:
            from airflow_dlaas.triggers.training import TrainingTrigger

            self.defer(
                trigger=TrainingTrigger(
                    training_id=self.training_id, dlaas_conn_id=self.dlaas_conn_id, deadline=deadline
                ),
                method_name=self.resume.__name__,
            )
        if self.reschedule:
            return super().execute(context)
        from airflow_dlaas.triggers.waiting import wait

        access = DlaasHook(self.dlaas_conn_id).access
        return self._judge(wait(access, self.training_id, deadline=deadline, say=self.log.info))

    def poke(self, context: Context) -> Any:
        """Look once (mode ``reschedule``)."""
        from airflow.sdk import PokeReturnValue

        from airflow_dlaas.client import calls
        from airflow_dlaas.errors import ServiceError

        try:
            training = DlaasHook(self.dlaas_conn_id).client.send(calls.get_training(self.training_id))
        except ServiceError as error:
            if not error.transient:
                raise
            self.log.warning("Nothing is heard of training %s, and is asked again: %s", self.training_id, error)
            return False
        self.log.info("Training %s is %s", training.id, training.state)
        return PokeReturnValue(is_done=True, xcom_value=self._judge(training)) if training.state.final else False

    def resume(self, context: Context, event: Any) -> str:
        """Take up the task when its trigger has reported."""
        from airflow_dlaas.triggers.waiting import reported

        return self._judge(reported(event))

    def _judge(self, training: Training) -> str:
        from airflow_dlaas.errors import TrainingEnded, TrainingOverdue
        from airflow_dlaas.hooks.compat import AirflowSensorTimeout, AirflowSkipException
        from airflow_dlaas.verdict import judge

        try:
            return judge(training).id
        except TrainingEnded as error:
            # Airflow's base class applies soft_fail only to its own exceptions, and not to a deferred sensor's.
            if self.soft_fail:
                raise AirflowSkipException(str(error)) from error
            if isinstance(error, TrainingOverdue):
                raise AirflowSensorTimeout(str(error)) from error
            raise
