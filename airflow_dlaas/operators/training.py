"""Operators for trainings: submit, submit and wait, cancel, clean up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_dlaas.hooks.dlaas import DlaasHook, make_client

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.access import ServiceAccess


class SubmitTrainingOperator(BaseOperator):
    """
    Submit a training definition and go on; `TrainingSensor` waits for its end.

    Returns the training's id. A retry of the task finds the training it has already submitted; clearing the task
    trains anew.

    :param definition: the page's training definition, as a dict or as the name of a ``.json`` file beside the DAG. A
        ``connection`` in it is the id of an Airflow connection of type `swift`. A dict is checked when the DAG is
        parsed. (templated)
    :param definition_location: the experiment's version, where the definition does not name it itself. (templated)
    :param dlaas_conn_id: the connection to the service.
    """

    template_fields: Sequence[str] = ("definition", "definition_location")
    template_ext: Sequence[str] = (".json",)
    template_fields_renderers = {"definition": "json"}  # noqa: RUF012 - declared so by Airflow's base class
    ui_color = "#e8defa"

    def __init__(
        self,
        *,
        definition: Mapping[str, Any] | str,
        definition_location: str | None = None,
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.definition = definition
        self.definition_location = definition_location
        self.dlaas_conn_id = dlaas_conn_id
        if isinstance(definition, Mapping):
            from airflow_dlaas.hooks.definition import check

            check(definition, has_location=definition_location is not None)

    def execute(self, context: Context) -> str:
        """Submit the training, once, however often the task is tried."""
        return self.submit(context).id

    def submit(self, context: Context) -> Training:
        """Submit the training, or find the one this task has submitted in an earlier try."""
        from airflow_dlaas.hooks.submission import submit_from_task

        training = submit_from_task(
            self.definition, self.definition_location, context=context, dlaas_conn_id=self.dlaas_conn_id
        )
        self.log.info("Training %s is %s", training.id, training.state)
        if training.status.runtime:
            self.log.info("It runs on %s", training.status.runtime)
        return training


class TrainModelOperator(SubmitTrainingOperator):
    """
    Submit a training definition and wait for the model.

    Returns the training's id once it has completed. Its log and states appear in the task's log as it runs, deferred
    or not. Ending the task (by hand, by its time-out) cancels the training; losing the worker does not, the next
    try waits on. Parameters are those of `SubmitTrainingOperator`, and:

    :param timeout: how long the training may take from its submission; then it is canceled and the task fails. The
        default is the task's `execution_timeout`, or else without limit.
    :param deferrable: wait in the triggerer, without holding a worker. The default is Airflow's own,
        ``[operators] default_deferrable``.
    :raises TrainingFailed, TrainingCanceled, TrainingOverdue: with the service's reasons.
    """

    def __init__(
        self,
        *,
        timeout: timedelta | None = None,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.timeout = timeout
        if deferrable is None:
            from airflow_dlaas.hooks.compat import conf

            deferrable = conf.getboolean("operators", "default_deferrable", fallback=False)
        self.deferrable = deferrable
        self._training_id: str | None = None
        self._access: ServiceAccess | None = None

    def execute(self, context: Context) -> str:
        """Submit, wait, judge."""
        from airflow_dlaas.triggers.waiting import deadline_after, wait

        training = self.submit(context)
        # Kept for `on_kill`, which interrupts whatever goes on and must not ask Airflow for the connection then.
        self._access = DlaasHook(self.dlaas_conn_id).access
        self._training_id = training.id
        deadline = deadline_after(training.status.submitted_at, self.timeout or self.execution_timeout)
        if self.deferrable:
            from airflow_dlaas.triggers.training import TrainingTrigger

            self.defer(
                trigger=TrainingTrigger(
                    training_id=training.id, dlaas_conn_id=self.dlaas_conn_id, deadline=deadline, owner=True
                ),
                method_name=self.resume.__name__,
                kwargs={"training_id": training.id},
            )
        access = self._access
        return self._conclude(training.id, lambda: wait(access, training.id, deadline=deadline, say=self.log.info))

    def resume(self, context: Context, training_id: str, event: Any) -> str:
        """Take up the task when its trigger has reported."""
        from airflow_dlaas.triggers.waiting import reported

        return self._conclude(training_id, lambda: reported(event))

    def on_kill(self) -> None:
        """Cancel the training; Airflow gives this five seconds, so nothing is waited for."""
        if self._training_id is not None:
            self._cancel(self._training_id)

    def _conclude(self, training_id: str, last_seen: Callable[[], Training]) -> str:
        from airflow_dlaas.errors import TrainingOverdue, Unreachable
        from airflow_dlaas.verdict import judge

        try:
            return judge(last_seen()).id
        except (TrainingOverdue, Unreachable):
            self._cancel(training_id)
            raise

    def _cancel(self, training_id: str) -> None:
        from airflow_dlaas.client import calls
        from airflow_dlaas.errors import DlaasError

        access = self._access or DlaasHook(self.dlaas_conn_id).access
        try:
            with make_client(access) as client:
                client.send(calls.cancel_training(training_id))
        except DlaasError as error:
            self.log.warning("Training %s could not be canceled: %s", training_id, error)
        else:
            self.log.info("Training %s was canceled", training_id)


class CancelTrainingOperator(BaseOperator):
    """
    Cancel a training; one that has ended stays as it is.

    :param training_id: the training. (templated)
    :param dlaas_conn_id: the connection to the service.
    """

    template_fields: Sequence[str] = ("training_id",)
    ui_color = "#eeeeee"

    def __init__(self, *, training_id: str, dlaas_conn_id: str = DlaasHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.training_id = training_id
        self.dlaas_conn_id = dlaas_conn_id

    def execute(self, context: Context) -> None:
        """Ask the service to stop it."""
        from airflow_dlaas.client import calls

        DlaasHook(self.dlaas_conn_id).client.send(calls.cancel_training(self.training_id))
        self.log.info("Training %s was asked to stop", self.training_id)


class DeleteTrainingOperator(BaseOperator):
    """
    Delete the history of a training that has ended; its results stay in their container.

    :param training_id: the training. (templated)
    :param dlaas_conn_id: the connection to the service.
    """

    template_fields: Sequence[str] = ("training_id",)
    ui_color = "#eeeeee"

    def __init__(self, *, training_id: str, dlaas_conn_id: str = DlaasHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.training_id = training_id
        self.dlaas_conn_id = dlaas_conn_id

    def execute(self, context: Context) -> None:
        """Delete it; one that is gone already is no error."""
        from airflow_dlaas.client import calls
        from airflow_dlaas.errors import NotFound

        try:
            DlaasHook(self.dlaas_conn_id).client.send(calls.delete_training(self.training_id))
        except NotFound:
            self.log.info("Training %s is gone already", self.training_id)
