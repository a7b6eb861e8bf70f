"""Links from the page of a task to its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey


class TrainingLink(BaseOperatorLink):
    """Link to the task's "Training" tab; it exists from the start of the task."""

    name = "Training"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address of the tab. Airflow calls this in the task's process, after `execute`."""
        from airflow_dlaas.task_runs.training_tab import training_tab_url

        return training_tab_url(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)


class TensorBoardLink(BaseOperatorLink):
    """Link to the site's TensorBoard, if the connection has its URL and the training has written event files."""

    name = "TensorBoard"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that the task has computed after its training ended; empty for no link."""
        return getattr(operator, "tensorboard_page_url", None) or ""


def push_training_link(context: Context) -> None:
    """Push the "Training" link to XCom at once: Airflow pushes links only when a task is deferred or has ended."""
    ti = context["ti"]
    link = TrainingLink()
    url = link.get_link(context["task"], ti_key=ti)  # type: ignore[arg-type]  # Airflow passes a task instance too
    ti.xcom_push(key=link.xcom_key, value=url)
