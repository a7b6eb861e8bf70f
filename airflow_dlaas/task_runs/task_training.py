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
from airflow_dlaas.integrations.airflow_stats import count_ended
from airflow_dlaas.task_runs.airflow_identity import airflow_id
from airflow_dlaas.task_runs.definition import join, parse, results_connection, with_metrics
from airflow_dlaas.task_runs.reuse import acknowledge, reusable
from airflow_dlaas.task_runs.run_key import MARK, Tag, Try, earliest
from airflow_dlaas.task_runs.submit import cancel, introduce, resolve, stop, submit
from airflow_dlaas.task_runs.summary import POINTS, SUMMARY, final_metrics, summarize

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Self

    from airflow_dlaas.contract.curves import Curves
    from airflow_dlaas.contract.definition import TrainingDefinition
    from airflow_dlaas.contract.training import Training
    from airflow_dlaas.hooks.connections import ServiceAccess


@dataclass(slots=True)
class TaskRun:
    """
    Which training a try of a task is about, and all that is needed to submit it and to end it.

    `stop` may interrupt `submit`, as `on_kill` does: it asks Airflow for nothing.
    """

    tag: Tag
    since: datetime | None
    access: ServiceAccess
    connection: str
    """The id of the connection that *access* was read from."""
    say: Callable[[str], None]
    context: Context = field(repr=False)
    document: Mapping[str, Any] = field(default_factory=dict)
    """The definition, naming connections."""
    definition: TrainingDefinition | None = field(default=None, repr=False)
    """The definition, secrets and all; None where nothing is to be submitted any more."""
    known: Training | None = None
    """The training, once there is one."""
    _submitting: bool = False

    @classmethod
    def begin(
        cls,
        document: Mapping[str, Any] | str,
        location: str | None,
        *,
        context: Context,
        access: ServiceAccess,
        connection: str,
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
        since = earliest(context)
        parsed = with_metrics(parse(document), metric_definitions)
        definition = join(parsed, lambda conn_id: SwiftHook(conn_id).access, location=location)
        with make_client(access) as client:
            acknowledges = acknowledges and client.extensions.acknowledgement
            results = results_connection(parsed)

            def take_up(training: Training) -> bool:
                return reusable(client, training, definition, SwiftHook(results).access, say)

            choice = resolve(
                client,
                Tag.of(context, airflow=airflow_id(), acknowledges=acknowledges),
                this=Try.of(context),
                since=since,
                retry_failed=retry_failed,
                earlier_form=Tag.of_earlier_form(context),
                reusable=take_up if acknowledges else None,
                say=say,
            )
        run = cls(choice.tag, since, access, connection, say, context, parsed, definition, choice.known)
        run._leave_word()
        return run

    @classmethod
    def again(
        cls, key: str, *, context: Context, access: ServiceAccess, connection: str, say: Callable[[str], None]
    ) -> Self:
        """Take hold again of the training under *key*, which a trigger has submitted."""
        return cls(Tag.of_key(key), earliest(context), access, connection, say, context)

    def submit(self) -> Training:
        """Make the training, or take up the one that is there; say which it is."""
        if self.known is None and self.definition is not None:
            self._submitting = True
            with make_client(self.access) as client:
                self.known = submit(client, self.definition, self.tag, since=self.since, say=self.say)
            self._submitting = False
            self._leave_word()
        training = self.known
        if training is None:
            raise TypeError("This task's training was submitted elsewhere")
        introduce(training, self.say)
        return training

    def stop(self) -> None:
        """Cancel the training, if there is one or may be one; says what came of it, and raises nothing of ours."""
        with make_client(self.access) as client:
            if self.known is not None:
                cancel(client, self.known.id, self.say)
            else:
                pending = self.definition if self._submitting else None
                stop(client, self.tag, pending, since=self.since, say=self.say)

    def keep(self, training: Training) -> dict[str, float | str]:
        """
        Keep what became of *training*, which has ended, for when the service has forgotten it; its final metrics.

        A curve that can't be had is left out: it is no reason for a task to fail.
        """
        curves = self.curves(training.id, POINTS)
        count_ended(self.context, training)
        self.context["ti"].xcom_push(key=SUMMARY, value=summarize(training, curves, self.connection))
        return final_metrics(training, curves)

    def acknowledge(self, training: Training) -> None:
        """
        Record at the service that the task succeeds with *training*.

        :raises ServiceError: it could not be recorded.
        """
        with make_client(self.access) as client:
            acknowledge(client, training, self.say)

    def curves(self, training_id: str, points: int) -> Curves | None:
        """Ask for a training's curves; None where they can't be had."""
        try:
            with make_client(self.access) as client:
                if not client.extensions.curves:
                    return None
                return client.send(calls.get_curves(training_id, points=points))
        except DlaasError as error:
            self.say(f"The curves of training {training_id} are not kept: {error}")
            return None

    def _leave_word(self) -> None:
        mark = {"key": self.tag.key, "connection": self.connection}
        if self.known is not None:
            mark["id"] = self.known.id
        self.context["ti"].xcom_push(key=MARK, value=mark)
