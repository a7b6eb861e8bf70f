"""Operators that cancel and delete trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.parameters.checked_operator import CheckedOperator
from airflow_dlaas.parameters.checks import ParameterCheck, require_text

if TYPE_CHECKING:
    from airflow.sdk import Context


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
