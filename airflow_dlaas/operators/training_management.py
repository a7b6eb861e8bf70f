"""Operators that cancel and delete trainings, and that delete their results by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.hooks.object_store import ObjectStoreHook
from airflow_dlaas.parameters.checked_operator import UNKNOWN, CheckedOperator
from airflow_dlaas.parameters.checks import (
    InvalidValue,
    ParameterCheck,
    optional,
    require_bool,
    require_duration,
    require_metric_mode,
    require_patterns,
    require_positive_int,
    require_text,
)
from airflow_dlaas.parameters.store_operator import StoreOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_dlaas.pruning.rules import PruneRules


class CancelTrainingOperator(CheckedOperator):
    """
    Cancel a training; a training that has ended stays as it is.

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
        """Request the cancellation; the training may still complete before it is stopped."""
        self.check_parameters(rendered=True)
        DlaasHook(self.dlaas_conn_id).cancel_training(self.training_id)
        self.log.info("Training %s: cancellation requested", self.training_id)


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
        """Delete the history; a training that does not exist is no error."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.exceptions import NotFound

        try:
            DlaasHook(self.dlaas_conn_id).delete_training(self.training_id)
        except NotFound:
            self.log.info("Training %s does not exist; there is nothing to delete", self.training_id)


class PruneResultsOperator(StoreOperator):
    """
    Delete the results and checkpoints of trainings that have ended and that no rule keeps.

    The trainings of one name (``model_definition.name``) are compared with each other; the records of all stay. Never
    deleted are the results of trainings that have not ended, those that a kept or running training has begun with, and
    those that a training has as its data.

    Returns a dict: ``deleted`` has the number of objects by the id of their training (None with *report_only*), and
    ``kept`` has the reason by the id.

    :param keep: how many are kept of each name: the newest completed ones, and as many of the newest others.
    :param keep_best: a metric, such as ``validation/loss``: the one with the best last value is kept. (templated)
    :param mode: which value is the best, ``min`` or ``max``; by default by the words in the metric's name. (templated)
    :param keep_tags: those with one of these tags are kept. (templated)
    :param name: only trainings of this name, or a pattern for it; by default all. (templated)
    :param older_than: those that have ended later than so long ago are kept: a `timedelta`, or seconds.
    :param report_only: delete nothing (a dry run); the log and the returned value have what would be deleted.
    :param store_conn_id: the id of the connection to the object store with the results: of type `swift`, `aws` (S3) or
        `google_cloud_platform`; ``swift_default`` if not given. *swift_conn_id* is its older name. (templated)
    :param dlaas_conn_id: the id of the connection to the service. (templated)
    """

    template_fields: Sequence[str] = (
        "keep_best",
        "mode",
        "keep_tags",
        "name",
        "dlaas_conn_id",
        *StoreOperator.template_fields,
    )
    parameters: ClassVar[Mapping[str, ParameterCheck]] = {
        "keep": optional(require_positive_int),
        "keep_best": optional(require_text),
        "mode": optional(require_metric_mode),
        "keep_tags": optional(require_patterns),
        "name": optional(require_text),
        "older_than": optional(require_duration),
        "report_only": require_bool,
        **StoreOperator.parameters,
        "dlaas_conn_id": require_text,
    }
    rule_names: ClassVar[Sequence[str]] = ("keep", "keep_best", "mode", "keep_tags", "name", "older_than")
    """The parameters that are rules."""
    ui_color = "#eeeeee"

    older_than: timedelta | None

    def __init__(
        self,
        *,
        keep: int | None = None,
        keep_best: str | None = None,
        mode: str | None = None,
        keep_tags: Sequence[str] | str | None = None,
        name: str | None = None,
        older_than: timedelta | float | None = None,
        report_only: bool = False,
        dlaas_conn_id: str = DlaasHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.keep = keep
        self.keep_best = keep_best
        self.mode = mode
        self.keep_tags = keep_tags
        self.name = name
        self.older_than = older_than  # type: ignore[assignment]  # the check converts it to a timedelta
        self.report_only = report_only
        self.dlaas_conn_id = dlaas_conn_id
        self.check_parameters()

    @classmethod
    def check_combination(cls, given: Mapping[str, Any]) -> None:
        """Refuse rules that keep nothing, and a metric whose name does not show which value is the best."""
        super().check_combination(given)
        rules = {one: given[one] for one in cls.rule_names}
        if UNKNOWN not in rules.values():
            _parse_rules(rules)

    def execute(self, context: Context) -> dict[str, Any]:
        """List the trainings, decide, and delete; the log has each decision with its reason."""
        self.check_parameters(rendered=True)
        from airflow_dlaas.exceptions import StoreError
        from airflow_dlaas.pruning import prune

        rules = _parse_rules({one: vars(self)[one] for one in self.rule_names})
        with ObjectStoreHook(self.conn_id_of_store) as hook:
            planned = prune.plan(DlaasHook(self.dlaas_conn_id).client, hook.store, rules)
            for one in planned.decisions:
                outcome = "delete" if one.deleted else "keep"
                self.log.info("Results of training %s: %s (%s)", one.training.id, outcome, one.reason)
            if not self.report_only:
                planned = prune.delete(hook.store, planned)
        for training_id, problem in planned.problems.items():
            self.log.warning("Results of training %s: %s", training_id, problem)
        if planned.problems:
            ids = ", ".join(planned.problems)
            raise StoreError(f"The results of these trainings could not be pruned, others were: {ids}")
        return {
            "deleted": {one.training.id: planned.counts.get(one.training.id) for one in planned.deletions},
            "kept": {one.training.id: one.reason for one in planned.decisions if not one.deleted},
        }


def _parse_rules(given: Mapping[str, Any]) -> PruneRules:
    from airflow_dlaas.exceptions import InvalidArgument
    from airflow_dlaas.pruning.rules import MetricMode, PruneRules

    mode = given["mode"]
    try:
        return PruneRules(
            keep=given["keep"],
            keep_best=given["keep_best"],
            mode=None if mode is None else MetricMode(mode),
            keep_tags=tuple(given["keep_tags"] or ()),
            name=given["name"],
            older_than=given["older_than"],
        )
    except InvalidArgument as error:
        raise InvalidValue(str(error)) from None
