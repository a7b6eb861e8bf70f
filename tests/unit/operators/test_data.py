"""What an author learns of data steps while the DAG is parsed, before anything runs."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG

from airflow_dlaas.operators.data import DeleteDataOperator, DownloadDataOperator, UploadDataOperator


def test_deleting_all_of_a_container_has_to_be_said() -> None:
    with pytest.raises(ValueError, match=r"clean_up: prefix is empty.*container 'c'.*everything=True"):
        DeleteDataOperator(task_id="clean_up", container="c")
    DeleteDataOperator(task_id="a", container="c", everything=True)
    DeleteDataOperator(task_id="b", container="c", names=[])
    DeleteDataOperator(task_id="d", container="c", prefix="{{ ds }}")


def test_a_prefix_that_became_empty_in_a_template_deletes_nothing() -> None:
    step = DeleteDataOperator(task_id="clean_up", container="c", prefix="{{ params.folder }}")
    step.render_template_fields({"params": {"folder": ""}})
    with pytest.raises(ValueError, match="prefix is empty"):
        step.execute({})


def test_what_other_tasks_give_is_taken_as_it_comes() -> None:
    with DAG("d"):
        up = UploadDataOperator(task_id="up", source="/data", container="c")
        down = DownloadDataOperator(task_id="down", container="c", destination=up.output)
        away = DeleteDataOperator(task_id="away", container="c", prefix=down.output)
    assert away.upstream_task_ids == {"down"}


def test_patterns_are_templated() -> None:
    assert {"include", "exclude"} <= set(UploadDataOperator.template_fields)
