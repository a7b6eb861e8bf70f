"""The training of a task run: preparation, submission, cancellation, and the record of its outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_dlaas.client import calls
from airflow_dlaas.client.require_known_keys import require_known_keys
from airflow_dlaas.contract.task_tag import TaskTag
from airflow_dlaas.exceptions import DlaasError
from airflow_dlaas.hooks.dlaas import make_client
from airflow_dlaas.hooks.object_store import ObjectStoreHook
from airflow_dlaas.integrations.airflow_stats import record_ended_training
from airflow_dlaas.task_runs.airflow_identity import airflow_id
from airflow_dlaas.task_runs.cancel import cancel_training
from airflow_dlaas.task_runs.cancel_by_key import cancel_by_key
from airflow_dlaas.task_runs.definition import (
    build_definition,
    conn_ids,
    parse_definition,
    results_conn_id,
    with_task_description,
)
from airflow_dlaas.task_runs.definition_parts import with_parts
from airflow_dlaas.task_runs.resumed_training import RESUME_KEY, describe_resume, require_resume_support
from airflow_dlaas.task_runs.reuse import acknowledge_success, is_reusable
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY, RunKey, TaskTry, earliest_submission
from airflow_dlaas.task_runs.search import TrainingSearch, fetch_and_resolve
from airflow_dlaas.task_runs.secrets import read_secrets
from airflow_dlaas.task_runs.sent_stores import find_sent_stores
from airflow_dlaas.task_runs.submit import log_training, submit_training
from airflow_dlaas.task_runs.summary import MAX_SUMMARY_POINTS, SUMMARY_XCOM_KEY, final_metrics, summarize_training

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Self

    from airflow_dlaas._util.task_logger import TaskLogger
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.curves import Curves
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.connections import ServiceConnection
    from airflow_dlaas.task_runs.resolve import Resume


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A try of a task, its connection to the service and its logger."""

    context: Context = field(repr=False)
    service_connection: ServiceConnection
    dlaas_conn_id: str
    """The id of the Airflow connection that *service_connection* was read from."""
    logger: TaskLogger = field(repr=False)

    @property
    def since(self) -> datetime | None:
        """The earliest time at which trainings of the task can have been submitted."""
        return earliest_submission(self.context)


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What the author of a task has requested."""

    document: Mapping[str, Any] | str
    """The definition, or its JSON, with connections by name."""
    location: str | None
    """The experiment version, if it is named beside the definition."""
    retry_failed: bool
    """Whether a new try trains again after a training that failed or was canceled."""
    resume: Resume = False
    """Whether a new training begins with the newest checkpoint of an earlier one of the task."""
    parts: Mapping[str, Any] = field(default_factory=dict)
    """The parameters of the operator that are merged into the definition, by name."""
    acknowledges: bool = False
    """
    Whether the task acknowledges the training with which it succeeds. Only such a task reuses the completed training of
    an earlier generation.
    """


@dataclass(slots=True)
class TaskTraining:
    """The training of a task run, by its key. A trigger may have submitted it."""

    task_run: TaskRun
    run_key: RunKey

    @classmethod
    def attach(cls, key: str, task_run: TaskRun) -> Self:
        """
        Return the training with *key*, which a trigger has submitted.

        :raises ValueError: *key* is not the key of a training.
        """
        return cls(task_run, RunKey.parse(key))

    def cancel(self) -> None:
        """Cancel the training, if there is one. An error of the service is logged at WARNING, not raised."""
        try:
            with make_client(self.task_run.service_connection) as client:
                self._cancel(client)
        except DlaasError as error:
            self.task_run.logger.warning(
                "Canceling the training under key %s failed (%s); it may still run", self.run_key.idempotency_key, error
            )

    def record_outcome(self, training: Training) -> dict[str, float | str]:
        """
        Store a summary of the ended *training* in an XCom, and count it in Airflow's statistics; return its metrics.

        Curves that cannot be fetched are left out: the task does not fail for them.
        """
        curves = self.fetch_curves(training.id, MAX_SUMMARY_POINTS)
        record_ended_training(self.task_run.context, training)
        self.task_run.context["ti"].xcom_push(
            key=SUMMARY_XCOM_KEY, value=summarize_training(training, curves, self.task_run.dlaas_conn_id)
        )
        return final_metrics(training, curves)

    def log_to_mlflow(self, training: Training, experiment: str) -> None:
        """Log the ended *training* as a run of the MLflow experiment *experiment*; an error is logged, not raised."""
        from airflow_dlaas.integrations.mlflow import MAX_LOGGED_POINTS, log_to_mlflow

        ti = self.task_run.context["ti"]
        log_to_mlflow(
            training,
            self.fetch_curves(training.id, MAX_LOGGED_POINTS),
            experiment=experiment,
            tags={"airflow.dag_id": ti.dag_id, "airflow.run_id": ti.run_id, "airflow.task_id": ti.task_id},
            logger=self.task_run.logger,
        )

    def acknowledge(self, training: Training) -> None:
        """
        Record at the service that the task succeeds with *training*.

        :raises ServiceError: the success could not be recorded.
        """
        with make_client(self.task_run.service_connection) as client:
            acknowledge_success(client, training, self.task_run.logger)

    def fetch_curves(self, training_id: str, points: int) -> Curves | None:
        """Fetch the curves of a training; None if the service does not have them or a request fails."""
        try:
            with make_client(self.task_run.service_connection) as client:
                if not client.extensions.curves:
                    return None
                return client.send(calls.get_curves(training_id, points=points))
        except DlaasError as error:
            self.task_run.logger.warning(
                "Fetching the curves of training %s failed (%s); the task goes on without them", training_id, error
            )
            return None

    def _cancel(self, client: Client) -> None:
        cancel_by_key(client, self.run_key, None, since=self.task_run.since, logger=self.task_run.logger)


@dataclass(slots=True)
class PreparedTraining(TaskTraining):
    """
    The training of a try that has its definition, and submits it unless it exists.

    `cancel` may interrupt `submit`, as `on_kill` does: it sends no request to Airflow.
    """

    document: Mapping[str, Any]
    """The definition, with connections by name."""
    definition: TrainingDefinition = field(repr=False)
    """The definition with the credentials of the connections."""
    training: Training | None
    """The training; None until it is submitted."""
    credential_warnings: Sequence[str] = ()
    """About credentials in `definition` that are temporary."""
    _submitting: bool = False

    @classmethod
    def prepare(cls, request: TrainingRequest, task_run: TaskRun) -> Self:
        """
        Check the definition, find the training that belongs to this try, and write its key to the task's XCom.

        :raises InvalidDefinition: with all wrong fields; nothing has been changed then.
        """
        context, logger = task_run.context, task_run.logger
        document = with_parts(parse_definition(request.document), request.parts)
        tag = TaskTag(context["ti"].dag_id, context["ti"].task_id)
        document = with_task_description(document, tag)
        connections = {name: ObjectStoreHook(name).store_connection for name in conn_ids(document)}
        stores = find_sent_stores(connections)
        definition = build_definition(
            document,
            stores.by_conn_id.__getitem__,
            location=request.location,
            secret_values=read_secrets(document),
        )
        with make_client(task_run.service_connection) as client:
            acknowledges = request.acknowledges and client.extensions.acknowledgement

            def can_reuse(training: Training) -> bool:
                results = connections.get(results_conn_id(document) or "")
                return is_reusable(client, training, definition, results, logger)

            search = TrainingSearch(
                RunKey.from_context(context, airflow_id=airflow_id(), acknowledges=acknowledges),
                current_try=TaskTry.from_context(context),
                since=task_run.since,
                retry_failed=request.retry_failed,
                resume=request.resume,
                v1_key=RunKey.from_context_v1(context),
            )
            resolved = fetch_and_resolve(client, search, logger, can_reuse if acknowledges else None)
            if resolved.existing is None:  # an existing one came from a service that knew the keys
                if request.resume:
                    require_resume_support(client)
                if resolved.resumes is not None:
                    document = {**document, RESUME_KEY: resolved.resumes.id}
                    definition = definition.model_copy(update={RESUME_KEY: resolved.resumes.id})
                require_known_keys(client, definition)
                if definition.resume_from is not None:
                    status = None if resolved.resumes is None else resolved.resumes.status
                    logger.info("%s", describe_resume(definition.resume_from, status))
        prepared = cls(task_run, resolved.run_key, document, definition, resolved.existing, stores.warnings)
        prepared._push_xcom()
        return prepared

    def submit(self) -> Training:
        """
        Submit the training, unless it exists; log and return it.

        :raises ServiceError: it was not created, or that is unknown.
        """
        run = self.task_run
        training = self.training
        if training is None:
            self._submitting = True
            for warning in self.credential_warnings:
                run.logger.warning("%s", warning)
            with make_client(run.service_connection) as client:
                training = self.training = submit_training(
                    client, self.definition, self.run_key, since=run.since, logger=run.logger
                )
            self._submitting = False
            self._push_xcom()
        log_training(training, run.logger)
        return training

    def _cancel(self, client: Client) -> None:
        run = self.task_run
        if self.training is not None:
            cancel_training(client, self.training.id, run.logger)
        else:
            submitting = self.definition if self._submitting else None
            cancel_by_key(client, self.run_key, submitting, since=run.since, logger=run.logger)

    def _push_xcom(self) -> None:
        value = {"key": self.run_key.idempotency_key, "connection": self.task_run.dlaas_conn_id}
        if self.training is not None:
            value["id"] = self.training.id
        self.task_run.context["ti"].xcom_push(key=TRAINING_XCOM_KEY, value=value)
