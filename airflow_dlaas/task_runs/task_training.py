"""A task's hold on its one training: begun, submitted, stopped, kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_dlaas.client import calls
from airflow_dlaas.exceptions import DlaasError
from airflow_dlaas.hooks.dlaas import make_client
from airflow_dlaas.hooks.swift import SwiftHook
from airflow_dlaas.integrations.airflow_stats import record_ended_training
from airflow_dlaas.task_runs.airflow_identity import airflow_id
from airflow_dlaas.task_runs.definition import (
    build_definition,
    parse_definition,
    results_conn_id,
    with_metric_definitions,
)
from airflow_dlaas.task_runs.reuse import acknowledge_success, is_reusable
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY, RunKey, TaskTry, earliest_submission
from airflow_dlaas.task_runs.submit import cancel_by_key, fetch_and_resolve, log_training, submit_training, try_cancel
from airflow_dlaas.task_runs.summary import MAX_SUMMARY_POINTS, SUMMARY_XCOM_KEY, final_metrics, summarize_training

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Self

    from airflow_dlaas.contract.curves import Curves
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.connections import ServiceConnection


@dataclass(slots=True)
class TaskTraining:
    """
    Which training a try of a task is about, and all that is needed to submit it and to end it.

    `cancel` may interrupt `submit`, as `on_kill` does: it asks Airflow for nothing.
    """

    run_key: RunKey
    since: datetime | None
    service_connection: ServiceConnection
    dlaas_conn_id: str
    """The id of the connection that *service_connection* was read from."""
    say: Callable[[str], None]
    context: Context = field(repr=False)
    document: Mapping[str, Any] = field(default_factory=dict)
    """The definition, naming connections."""
    definition: TrainingDefinition | None = field(default=None, repr=False)
    """The definition, secrets and all; None where nothing is to be submitted any more."""
    training: Training | None = None
    """The training, once there is one."""
    _submitting: bool = False

    @classmethod
    def prepare(
        cls,
        document: Mapping[str, Any] | str,
        location: str | None,
        *,
        context: Context,
        service_connection: ServiceConnection,
        dlaas_conn_id: str,
        retry_failed: bool,
        metric_definitions: Sequence[Mapping[str, str]] | None = None,
        acknowledges: bool = False,
        say: Callable[[str], None],
    ) -> Self:
        """
        Check *document*, find out which training this try is about, and leave word of it where others can see it.

        :param acknowledges: whether the task is to `acknowledge` the training that it succeeds with. Only a task that
            does takes up what an earlier generation of it has completed.
        :raises InvalidDefinition: naming every field that is wrong; nothing has been changed then.
        """
        since = earliest_submission(context)
        parsed = with_metric_definitions(parse_definition(document), metric_definitions)
        definition = build_definition(parsed, lambda conn_id: SwiftHook(conn_id).swift_connection, location=location)
        with make_client(service_connection) as client:
            acknowledges = acknowledges and client.extensions.acknowledgement
            results = results_conn_id(parsed)

            def take_up(training: Training) -> bool:
                return is_reusable(client, training, definition, SwiftHook(results).swift_connection, say)

            choice = fetch_and_resolve(
                client,
                RunKey.from_context(context, airflow_id=airflow_id(), acknowledges=acknowledges),
                current_try=TaskTry.from_context(context),
                since=since,
                retry_failed=retry_failed,
                v1_key=RunKey.from_context_v1(context),
                is_reusable=take_up if acknowledges else None,
                say=say,
            )
        run = cls(
            choice.run_key, since, service_connection, dlaas_conn_id, say, context, parsed, definition, choice.existing
        )
        run._push_xcom()
        return run

    @classmethod
    def attach(
        cls,
        key: str,
        *,
        context: Context,
        service_connection: ServiceConnection,
        dlaas_conn_id: str,
        say: Callable[[str], None],
    ) -> Self:
        """Take hold again of the training under *key*, which a trigger has submitted."""
        return cls(RunKey.parse(key), earliest_submission(context), service_connection, dlaas_conn_id, say, context)

    def submit(self) -> Training:
        """Make the training, or take up the one that is there; say which it is."""
        if self.training is None and self.definition is not None:
            self._submitting = True
            with make_client(self.service_connection) as client:
                self.training = submit_training(client, self.definition, self.run_key, since=self.since, say=self.say)
            self._submitting = False
            self._push_xcom()
        training = self.training
        if training is None:
            raise TypeError("This task's training was submitted elsewhere")
        log_training(training, self.say)
        return training

    def cancel(self) -> None:
        """Cancel the training, if there is one or may be one; says what came of it, and raises nothing of ours."""
        with make_client(self.service_connection) as client:
            if self.training is not None:
                try_cancel(client, self.training.id, self.say)
            else:
                pending = self.definition if self._submitting else None
                cancel_by_key(client, self.run_key, pending, since=self.since, say=self.say)

    def record_outcome(self, training: Training) -> dict[str, float | str]:
        """
        Keep what became of *training*, which has ended, for when the service has forgotten it; its final metrics.

        A curve that can't be had is left out: it is no reason for a task to fail.
        """
        curves = self.fetch_curves(training.id, MAX_SUMMARY_POINTS)
        record_ended_training(self.context, training)
        self.context["ti"].xcom_push(
            key=SUMMARY_XCOM_KEY, value=summarize_training(training, curves, self.dlaas_conn_id)
        )
        return final_metrics(training, curves)

    def acknowledge(self, training: Training) -> None:
        """
        Record at the service that the task succeeds with *training*.

        :raises ServiceError: it could not be recorded.
        """
        with make_client(self.service_connection) as client:
            acknowledge_success(client, training, self.say)

    def fetch_curves(self, training_id: str, points: int) -> Curves | None:
        """Ask for a training's curves; None where they can't be had."""
        try:
            with make_client(self.service_connection) as client:
                if not client.extensions.curves:
                    return None
                return client.send(calls.get_curves(training_id, points=points))
        except DlaasError as error:
            self.say(f"The curves of training {training_id} are not kept: {error}")
            return None

    def _push_xcom(self) -> None:
        mark = {"key": self.run_key.idempotency_key, "connection": self.dlaas_conn_id}
        if self.training is not None:
            mark["id"] = self.training.id
        self.context["ti"].xcom_push(key=TRAINING_XCOM_KEY, value=mark)
