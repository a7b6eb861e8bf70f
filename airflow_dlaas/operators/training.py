"""Operators that submit trainings; the operators that cancel and delete them are exported from here too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.links.lazy_links import LazyLinks
from airflow_dlaas.operators.training_definition import TrainingDefinitionOperator
from airflow_dlaas.operators.training_management import CancelTrainingOperator, DeleteTrainingOperator
from airflow_dlaas.parameters.checks import (
    InvalidValue,
    ParameterCheck,
    optional,
    require_bool,
    require_duration,
    require_resume,
    require_text,
)
from airflow_dlaas.parameters.data_sources import DataSource, Mount, ResultsContainer

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.task_runs.task_training import PreparedTraining, TaskRun, TaskTraining

__all__ = [
    "CancelTrainingOperator",
    "DataSource",
    "DeleteTrainingOperator",
    "Mount",
    "ResultsContainer",
    "SubmitTrainingOperator",
    "TrainModelOperator",
]


class SubmitTrainingOperator(TrainingDefinitionOperator):
    r"""
    Submit a training definition without waiting for the training; `TrainingSensor` waits for its end.

    Returns the training's id. Exactly one training is created, also if the worker, the response or the service is lost:
    the next try finds it. After a clear, the task trains again and cancels a training that still runs.

    :param definition: the training definition of the API, as a dict, as JSON text, or as the path of a ``.json`` file:
        relative to the DAG's folder, absolute, or an `ObjectStoragePath`. Strings inside a definition are never read as
        paths. A ``connection`` in it is the id of an Airflow connection of type `swift`, `aws` or
        `google_cloud_platform`, and the ``type`` of a store may be left out. The values that are known when the DAG is
        parsed are checked then. (templated)
    :param definition_location: the experiment version, if the definition does not name it. (templated)
    :param training_data: the sources of data, instead of the definition's: `DataSource` and `Mount`, one or a list of
        them. With an empty list the command gets no data. (templated)
    :param training_results: the `ResultsContainer` that the results go to, instead of the definition's. Without either,
        it is the first container of the data. (templated)
    :param retry_failed: whether the next try of the task trains again after a training that failed or was canceled.
        If False, the next try fails with the same error, and only errors of connections are retried.
    :param metric_definitions: how metrics are read from the log, instead of the patterns that the service tries by
        default: ``[{"name": "validation/loss", "regex": r"eval: ([\d.]+)"}]``. The first group is the value, a group
        named ``step`` the iteration. They replace the definition's own. (templated)
    :param hyperparameters: numbers, texts, True or False by name, for the command: variables ``HP_…`` and the file
        ``hyperparameters.json``. They are merged by name with those of the definition; None removes one. A template
        gives a text, a value of another task keeps its type. (templated)
    :param environment: texts by the name of an environment variable of the command, merged like hyperparameters.
        (templated)
    :param secrets: references by the name of a secret variable of the command, ``"conn:hf_default/password"`` or
        ``"var:NAME"``, merged like hyperparameters. The value is read when the training is submitted. (templated)
    :param training_resources: GPUs, CPUs and memory, ``{"gpus": 4, "memory": "64GiB"}``, instead of the size or the
        resources of the definition. (templated)
    :param time_limit: the time that the command may take, as `timedelta` or in seconds, instead of the definition's;
        then the service stops it, and the training fails. (templated)
    :param grace: the time that the command has to save its state when it is stopped, as `timedelta` or in seconds,
        instead of the definition's. (templated)
    :param recovery: ``{"attempts": 3, "exit_codes": [75]}``, instead of the definition's. The service starts the
        command again, from its newest checkpoint, after the machine was restarted, the learner was killed, or the
        command ended with one of the exit codes. `attempts` counts the first one too. The task waits on. (templated)
    :param resume: whether a try after a training that failed or was canceled begins with the newest checkpoint of that
        training, and not from zero. After a clear, the new training begins from zero, unless the earlier one has the
        tag ``resume``, or this is ``"always"``.
    :param resume_from: the id of any training with whose newest checkpoint the first training begins. A later one
        begins with it too, unless `resume` names a training of this task. (templated)
    :param dlaas_conn_id: the connection to the service. (templated)
    """

    template_fields: Sequence[str] = (*TrainingDefinitionOperator.template_fields, "dlaas_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        **TrainingDefinitionOperator.parameters,
        "retry_failed": require_bool,
        "resume": require_resume,
        "dlaas_conn_id": require_text,
    }
    ui_color = "#e8defa"
    operator_extra_links = LazyLinks("TrainingLink", "TensorBoardLink")
    _acknowledges = False
    """Whether the task's success is recorded at the service."""
    tensorboard_page_url: str | None = None
    """The page of the site's TensorBoard for this task's training; known after the training has ended."""

    def __init__(
        self,
        *,
        retry_failed: bool = True,
        resume: bool | Literal["always"] = False,
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.retry_failed = retry_failed
        self.resume = resume
        self.dlaas_conn_id = dlaas_conn_id
        self._task_training: TaskTraining | None = None
        self.check_parameters()

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """
        Check the parts of the definition that are known, and that `resume` can have an effect.

        :raises InvalidDefinition: with all wrong fields.
        """
        if given.get("resume") is True and given.get("retry_failed") is False:
            raise InvalidValue(
                "resume=True has no effect with retry_failed=False: no try trains again after a failed training; write "
                "resume='always' if the task resumes after a clear"
            )
        super().check_combination(given)

    def execute(self, context: Context) -> str:
        """Submit the training, unless an earlier try of the task has done that."""
        self.check_parameters(rendered=True)
        training = self._prepare_training(context).submit()
        # From here on, the end of this task does not cancel the training.
        self._task_training = None
        return training.id

    def on_kill(self) -> None:
        """Cancel the training of a task that is killed; Airflow waits five seconds for this."""
        if self._task_training is not None:
            self._task_training.cancel()

    def _prepare_training(self, context: Context) -> PreparedTraining:
        """Find the training that belongs to this try."""
        from airflow_dlaas.links.training import push_training_link
        from airflow_dlaas.task_runs.task_training import PreparedTraining, TrainingRequest

        push_training_link(context)
        request = TrainingRequest(
            self.definition,
            self.definition_location,
            retry_failed=self.retry_failed,
            resume=self.resume,
            parts=self.definition_parts,
            acknowledges=self._acknowledges,
        )
        # Kept for `on_kill`, which interrupts any code and must not request connections from Airflow then.
        self._task_training = prepared = PreparedTraining.prepare(request, self._task_run(context))
        return prepared

    def _task_run(self, context: Context) -> TaskRun:
        from airflow_dlaas.task_runs.task_training import TaskRun

        return TaskRun(context, DlaasHook(self.dlaas_conn_id).service_connection, self.dlaas_conn_id, self.log)


class TrainModelOperator(SubmitTrainingOperator):
    """
    Submit a training definition and wait until the training has completed.

    Returns the training's id. The XComs ``metrics`` and ``hyperparameters`` have the final value of each metric and the
    hyperparameters of the definition, and so have the events of the task's outlet assets. The log and the states of the
    training appear in the task's log while it runs, deferred or not. The end of the task (a user ends or clears it or
    deletes its run, or its timeout passes) cancels the training; the loss of the worker or the triggerer does not: the
    next one continues to wait. After a clear, a task that had succeeded trains again. A task that had not succeeded,
    although its training completed, reuses that training if the definition is the same and the results exist.
    Parameters are those of `SubmitTrainingOperator`, and:

    :param timeout: the time that the training may take from its submission, as `timedelta` or in seconds; after that,
        it is canceled and the task fails. The default is the task's `execution_timeout`; without one there is no limit.
        (templated)
    :param deferrable: submit and wait in the triggerer, without occupying a worker. The default is Airflow's option
        ``[operators] default_deferrable``.
    :param mlflow_experiment: log the ended training, whatever its state, as a run of this MLflow experiment: its
        parameters, curves and state. MLflow (``airflow-dlaas[mlflow]``) reads its own environment variables.
        (templated)
    :raises TrainingFailed, TrainingCanceled, TrainingOverdue: with the service's messages.
    """

    template_fields: Sequence[str] = (*SubmitTrainingOperator.template_fields, "timeout", "mlflow_experiment")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        **SubmitTrainingOperator.parameters,
        "timeout": optional(require_duration),
        "deferrable": require_bool,
        "mlflow_experiment": optional(require_text),
    }
    timeout: timedelta | None
    _acknowledges = True

    def __init__(
        self,
        *,
        timeout: timedelta | float | None = None,
        deferrable: bool | None = None,
        mlflow_experiment: str | None = None,
        **kwargs: Any,
    ) -> None:
        from airflow_dlaas.task_runs.deferrable import default_deferrable

        super().__init__(**kwargs)
        self.timeout = timeout  # type: ignore[assignment]  # the check converts it to a timedelta
        self.mlflow_experiment = mlflow_experiment
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Submit the training and wait for it, here or deferred; return its id."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.task_runs.wait_for_training import deadline_after, wait_for_training_sync

        if self.mlflow_experiment:
            from airflow_dlaas.integrations.mlflow import require_mlflow

            require_mlflow()
        prepared = self._prepare_training(context)
        timeout = self.execution_timeout if self.timeout is None else self.timeout
        # Not deferred for a training that has ended: a trigger that fires at once races the scheduler.
        if self.deferrable and (prepared.training is None or not prepared.training.state.is_final):
            from airflow_dlaas.triggers.model import TrainModelTrigger

            since = prepared.task_run.since
            self.defer(
                trigger=TrainModelTrigger(
                    definition=prepared.document,
                    definition_location=self.definition_location,
                    key=prepared.run_key.idempotency_key,
                    since=since.timestamp() if since else None,
                    timeout=timeout.total_seconds() if timeout else None,
                    dlaas_conn_id=self.dlaas_conn_id,
                    deferred_at=time.time(),
                ),
                method_name=self.execute_complete.__name__,
                kwargs={"key": prepared.run_key.idempotency_key},
            )

        def submit_and_wait() -> Training:
            training = prepared.submit()
            deadline = deadline_after(training.status.submitted_at, timeout)
            return wait_for_training_sync(
                prepared.task_run.service_connection, training.id, deadline=deadline, logger=self.log
            )

        return self._finish(prepared, submit_and_wait)

    def execute_complete(self, context: Context, event: Any = None, key: str | None = None) -> str:
        """
        Finish the task with the event of its trigger; return the training's id.

        :param key: the key of the training. Without it, as under ``airflow dags test``, the key in the event is used.
        """
        from airflow_dlaas.task_runs.task_training import TaskTraining
        from airflow_dlaas.task_runs.trigger_events import parse_event_key, parse_training_event

        self._task_training = attached = TaskTraining.attach(key or parse_event_key(event), self._task_run(context))
        return self._finish(attached, lambda: parse_training_event(event))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Finish a deferred task; the row of one that an earlier version deferred names the method ``resume``."""
        if next_method == "resume":
            next_method = self.execute_complete.__name__
        return super().resume_execution(next_method, next_kwargs, context)

    def _finish(self, task_training: TaskTraining, get_training: Callable[[], Training]) -> str:
        """Record the outcome of the training and return its id; cancel it after any error but its own end."""
        from airflow_dlaas.contract.outcome import describe_results_location, raise_for_state
        from airflow_dlaas.exceptions import TrainingEnded
        from airflow_dlaas.task_runs.summary import HYPERPARAMETERS_XCOM_KEY, METRICS_XCOM_KEY

        try:
            training = raise_for_state(get_training())
        except BaseException as error:
            if isinstance(error, TrainingEnded) and error.training.state.is_final:
                self._record_outcome(task_training, cast("Training", error.training))
            else:
                task_training.cancel()
            raise
        metrics = self._record_outcome(task_training, training)
        execution = training.entity.model_definition.execution
        context, hyperparameters = task_training.task_run.context, dict(execution.hyperparameters or {})
        context["ti"].xcom_push(key=METRICS_XCOM_KEY, value=metrics)
        context["ti"].xcom_push(key=HYPERPARAMETERS_XCOM_KEY, value=hyperparameters)
        result = {"training_id": training.id, "metrics": metrics, "hyperparameters": hyperparameters}
        self._update_outlet_events(context, result)
        if location := describe_results_location(training):
            self.log.info("The results of training %s are %s", training.id, location)
        else:
            self.log.warning("Training %s has completed, but its status does not name any results", training.id)
        # The last step: after an error before it the task fails, and its next run after a clear reuses the training.
        task_training.acknowledge(training)
        return training.id

    def _record_outcome(self, task_training: TaskTraining, training: Training) -> dict[str, float | str]:
        from airflow_dlaas.integrations.tensorboard import tensorboard_page_url

        self.tensorboard_page_url = tensorboard_page_url(
            task_training.task_run.service_connection.tensorboard_url, training
        )
        metrics = task_training.record_outcome(training)
        if self.mlflow_experiment:
            task_training.log_to_mlflow(training, self.mlflow_experiment)
        return metrics

    def _update_outlet_events(self, context: Context, result: Mapping[str, Any]) -> None:
        """Add *result* to the events of the task's outlet assets."""
        from airflow.sdk import Asset

        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra.update(result)
