"""Links on a task's page, to where more is shown of its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey


class TrainingLink(BaseOperatorLink):
    """To the task's "Training" tab; there from the moment the task begins."""

    name = "Training"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Give the tab's address. Airflow asks in the task's own process, when a run of it has ended."""
        from airflow_dlaas.task_runs.training_tab import training_tab_url

        return training_tab_url(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)


class TensorBoardLink(BaseOperatorLink):
    """To the site's TensorBoard, where the connection names one and the training has written event files."""

    name = "TensorBoard"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Give what the task has found out when its training ended; an empty address shows no link."""
        return getattr(operator, "tensorboard_page_url", None) or ""


def push_training_link(context: Context) -> None:
    """Push the "Training" link now: Airflow itself does when a task is deferred or has ended, which may be hours on."""
    ti = context["ti"]
    link = TrainingLink()
    address = link.get_link(context["task"], ti_key=ti)  # type: ignore[arg-type]  # as Airflow itself hands it over
    ti.xcom_push(key=link.xcom_key, value=address)
