"""Operators for trainings: submit, submit and wait, cancel, clean up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.links.training import TensorBoardLink, TrainingLink, push_training_link
from airflow_dlaas.parameters.checked_operator import UNKNOWN, CheckedOperator
from airflow_dlaas.parameters.checks import (
    ParameterCheck,
    optional,
    require_bool,
    require_definition,
    require_dict_list,
    require_duration,
    require_text,
)
from airflow_dlaas.task_runs.deferrable import default_deferrable
from airflow_dlaas.task_runs.definition_file import is_file_path, parse_json_object, read_at_parse, read_at_runtime

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.task_runs.task_training import PreparedTraining, TaskRun, TaskTraining


class SubmitTrainingOperator(CheckedOperator):
    r"""
    Submit a training definition and go on; `TrainingSensor` waits for its end.

    Returns the training's id. There is one training, whatever becomes of the worker, the answer or the service: the
    next try finds it again. Clearing the task trains anew, and cancels what was left running.

    :param definition: the page's training definition, as a dict, as its JSON text, or as the path of a ``.json`` file:
        relative to the DAG's folder, absolute, or an `ObjectStoragePath`. No text in it is ever taken for a file. A
        ``connection`` in it is the id of an Airflow connection of type `swift`. What is known of it is checked when
        the DAG is parsed. (templated)
    :param definition_location: the experiment's version, where the definition does not name it itself. (templated)
    :param retry_failed: whether the next try of the task trains anew when the training has failed or was canceled.
        Without, it fails for the same reason as the first, and only trouble on the way is tried again.
    :param metric_definitions: how metrics are found in the log, instead of by what scripts usually print:
        ``[{"name": "validation/loss", "regex": r"eval: ([\d.]+)"}]``. The first group holds the number; a group called
        ``step`` the iteration. They take the place of the definition's own. (templated)
    :param dlaas_conn_id: the connection to the service. (templated)
    """

    template_fields: Sequence[str] = ("definition", "definition_location", "metric_definitions", "dlaas_conn_id")
    template_ext: Sequence[str] = (".json",)
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "definition": require_definition,
        "definition_location": optional(require_text),
        "retry_failed": require_bool,
        "metric_definitions": optional(require_dict_list),
        "dlaas_conn_id": require_text,
    }
    template_fields_renderers = {"definition": "json"}  # noqa: RUF012 - declared so by Airflow's base class
    ui_color = "#e8defa"
    operator_extra_links = (TrainingLink(), TensorBoardLink())
    _acknowledges = False
    """Whether the task's success is recorded at the service."""
    tensorboard_page_url: str | None = None
    """The site's TensorBoard about this task's training, known once that has ended."""
    definition: Mapping[str, Any] | str

    def __init__(
        self,
        *,
        definition: Mapping[str, Any] | str | PurePath | ObjectStoragePath,
        definition_location: str | None = None,
        retry_failed: bool = True,
        metric_definitions: Sequence[Mapping[str, str]] | None = None,
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.definition = definition  # type: ignore[assignment]  # a path is made a text by the check
        self.definition_location = definition_location
        self.retry_failed = retry_failed
        self.metric_definitions = metric_definitions
        self.dlaas_conn_id = dlaas_conn_id
        self._task_training: TaskTraining | None = None
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Submit the training, once, however often the task is tried."""
        self.check_parameters(rendered=True)
        run = self._prepare_training(context)
        training = run.submit()
        # What has been handed over is no longer this task's to end.
        self._task_training = None
        return training.id

    def on_kill(self) -> None:
        """Cancel the training of a task that is ended before it is done; Airflow gives this five seconds."""
        if self._task_training is not None:
            self._task_training.cancel()

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """
        Check what is known of the definition.

        :raises InvalidDefinition: naming every field that is wrong.
        """
        from airflow_dlaas.task_runs.definition import (
            parse_definition,
            require_valid_definition,
            with_metric_definitions,
        )

        definition, metrics = given["definition"], given["metric_definitions"]
        if definition is UNKNOWN or is_file_path(definition):
            return
        document = with_metric_definitions(parse_definition(definition), None if metrics is UNKNOWN else metrics)
        require_valid_definition(document, has_location=given["definition_location"] is not None)

    def resolve_template_files(self) -> None:
        """
        Put the definition in place of the name of its file, where that can be read when the DAG is parsed.

        :raises InvalidDefinition: naming every field that is wrong, as far as they are known.
        """
        if is_file_path(self.definition):
            text = read_at_parse(str(self.definition), self.get_template_env())
            if text is not None:
                self.definition = text
                if document := parse_json_object(text):  # not yet where templates stand outside of its texts
                    own = {name: getattr(self, name) for name in SubmitTrainingOperator.parameters}
                    self.normalize_parameters(self.task_id, {**own, "definition": document}, dag=self.get_dag())
        self.prepare_template()

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, context: Context, jinja_env: jinja2.Environment, seen_oids: set[int]
    ) -> None:
        # A name that a mapped task got from another task is not read: only the author of the DAG names files.
        if (
            parent is self
            and is_file_path(self.definition)
            and id(self.definition) not in self.unrendered_ids(seen_oids)
        ):
            self.definition = read_at_runtime(
                str(self.definition), jinja_env, lambda name: str(self.render_template(name, context, jinja_env))
            )
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)

    def _prepare_training(self, context: Context) -> PreparedTraining:
        """Find the training that belongs to this try."""
        from airflow_dlaas.task_runs.task_training import PreparedTraining, TrainingRequest

        push_training_link(context)
        request = TrainingRequest(
            self.definition,
            self.definition_location,
            retry_failed=self.retry_failed,
            metric_definitions=self.metric_definitions,
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
    Submit a training definition and wait for the model.

    Returns the training's id once it has completed; XCom ``metrics`` has the final value of each metric, and so have
    the events of the task's outlet assets. Its log and states appear in the task's log as it runs, deferred
    or not. Ending the task (by hand, by its time-out, by clearing it or deleting its run) cancels the training; losing
    the worker or the triggerer does not: the next one waits on. Clearing a task that has succeeded trains anew.
    Clearing one that has not, although its training completed, takes that training up if the definition is the same
    and its results are there. Parameters are those of `SubmitTrainingOperator`, and:

    :param timeout: how long the training may take from its submission, as `timedelta` or in seconds; then it is
        canceled and the task fails. The default is the task's `execution_timeout`, or else without limit. (templated)
    :param deferrable: submit and wait in the triggerer, without holding a worker. The default is Airflow's own,
        ``[operators] default_deferrable``.
    :param mlflow_experiment: log the training, well ended or not, as a run of this MLflow experiment: its parameters,
        curves and state. MLflow (``airflow-dlaas[mlflow]``) is set up by its own environment variables. (templated)
    :raises TrainingFailed, TrainingCanceled, TrainingOverdue: with the service's reasons.
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
        super().__init__(**kwargs)
        self.timeout = timeout  # type: ignore[assignment]  # made a timedelta by the check
        self.mlflow_experiment = mlflow_experiment
        self.deferrable = default_deferrable() if deferrable is None else deferrable
        self.check_parameters()

    def execute(self, context: Context) -> str:
        """Submit, wait, judge."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.task_runs.wait_for_training import deadline_after, wait_for_training_sync

        if self.mlflow_experiment:
            from airflow_dlaas.integrations.mlflow import require_mlflow

            require_mlflow()
        run = self._prepare_training(context)
        timeout = self.execution_timeout if self.timeout is None else self.timeout
        # A training that has ended is judged here: a trigger that fires at once races the scheduler.
        if self.deferrable and (run.training is None or not run.training.state.is_final):
            from airflow_dlaas.triggers.model import TrainModelTrigger

            since = run.task_run.since
            self.defer(
                trigger=TrainModelTrigger(
                    definition=run.document,
                    definition_location=self.definition_location,
                    key=run.run_key.idempotency_key,
                    since=since.timestamp() if since else None,
                    timeout=timeout.total_seconds() if timeout else None,
                    dlaas_conn_id=self.dlaas_conn_id,
                    deferred_at=time.time(),
                ),
                method_name=self.resume.__name__,
                kwargs={"key": run.run_key.idempotency_key},
            )

        def submit_and_wait() -> Training:
            training = run.submit()
            deadline = deadline_after(training.status.submitted_at, timeout)
            return wait_for_training_sync(
                run.task_run.service_connection, training.id, deadline=deadline, logger=self.log
            )

        return self._finish(run, submit_and_wait)

    def resume(self, context: Context, event: Any = None, key: str | None = None) -> str:
        """
        Take up the task when its trigger has reported.

        :param key: the key of the training; where it is missing, as under ``airflow dags test``, the event's is taken.
        """
        from airflow_dlaas.task_runs.task_training import TaskTraining
        from airflow_dlaas.task_runs.trigger_events import parse_event_key, parse_training_event

        self._task_training = run = TaskTraining.attach(key or parse_event_key(event), self._task_run(context))
        return self._finish(run, lambda: parse_training_event(event))

    def _finish(self, task_training: TaskTraining, get_training: Callable[[], Training]) -> str:
        """Judge; unless the training itself has ended, whatever else ends the task ends the training too."""
        from airflow_dlaas.contract.outcome import describe_results_location, raise_for_state
        from airflow_dlaas.exceptions import TrainingEnded
        from airflow_dlaas.task_runs.summary import METRICS_XCOM_KEY

        try:
            training = raise_for_state(get_training())
        except BaseException as error:
            if isinstance(error, TrainingEnded) and error.training.state.is_final:
                self._record_outcome(task_training, cast("Training", error.training))
            else:
                task_training.cancel()
            raise
        metrics = self._record_outcome(task_training, training)
        task_training.task_run.context["ti"].xcom_push(key=METRICS_XCOM_KEY, value=metrics)
        self._update_outlet_events(task_training.task_run.context, training, metrics)
        if place := describe_results_location(training):
            self.log.info("Its results lie %s", place)
        else:
            self.log.warning("Training %s has completed and does not say that it left any results", training.id)
        # The last thing: whatever fails before it fails the task, and clearing that takes the training up.
        task_training.acknowledge(training)
        return training.id

    def _record_outcome(self, task_training: TaskTraining, training: Training) -> dict[str, float | str]:
        from airflow_dlaas.integrations.tensorboard import tensorboard_page_url

        self.tensorboard_page_url = tensorboard_page_url(
            task_training.task_run.service_connection.tensorboard_url, training
        )
        metrics = task_training.record_outcome(training)
        if self.mlflow_experiment:
            from airflow_dlaas.integrations.mlflow import MAX_LOGGED_POINTS, log_to_mlflow

            ti = task_training.task_run.context["ti"]
            log_to_mlflow(
                training,
                task_training.fetch_curves(training.id, MAX_LOGGED_POINTS),
                experiment=self.mlflow_experiment,
                tags={"airflow.dag_id": ti.dag_id, "airflow.run_id": ti.run_id, "airflow.task_id": ti.task_id},
                logger=self.log,
            )
        return metrics

    def _update_outlet_events(self, context: Context, training: Training, metrics: Mapping[str, float | str]) -> None:
        """Say with each asset that this task brings up to date which training did it, and how good it became."""
        from airflow.sdk import Asset

        told: dict[str, Any] = {"training_id": training.id, "metrics": dict(metrics)}
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra.update(told)


class CancelTrainingOperator(CheckedOperator):
    """
    Cancel a training; one that has ended stays as it is.

    :param training_id: the training. (templated)
    :param dlaas_conn_id: the connection to the service. (templated)
    """

    template_fields: Sequence[str] = ("training_id", "dlaas_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {"training_id": require_text, "dlaas_conn_id": require_text}
    ui_color = "#eeeeee"

    def __init__(self, *, training_id: str, dlaas_conn_id: str = DlaasHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.training_id = training_id
        self.dlaas_conn_id = dlaas_conn_id
        self.check_parameters()

    def execute(self, context: Context) -> None:
        """Ask the service to stop it."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.client import calls

        DlaasHook(self.dlaas_conn_id).client.send(calls.cancel_training(self.training_id))
        self.log.info("Training %s was asked to stop", self.training_id)


class DeleteTrainingOperator(CheckedOperator):
    """
    Delete the history of a training that has ended; its results stay in their container.

    :param training_id: the training. (templated)
    :param dlaas_conn_id: the connection to the service. (templated)
    """

    template_fields: Sequence[str] = ("training_id", "dlaas_conn_id")
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {"training_id": require_text, "dlaas_conn_id": require_text}
    ui_color = "#eeeeee"

    def __init__(self, *, training_id: str, dlaas_conn_id: str = DlaasHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.training_id = training_id
        self.dlaas_conn_id = dlaas_conn_id
        self.check_parameters()

    def execute(self, context: Context) -> None:
        """Delete it; one that is gone already is no error."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.client import calls
        from airflow_dlaas.exceptions import NotFound

        try:
            DlaasHook(self.dlaas_conn_id).client.send(calls.delete_training(self.training_id))
        except NotFound:
            self.log.info("Training %s is gone already", self.training_id)
