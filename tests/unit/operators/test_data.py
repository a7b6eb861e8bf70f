"""Tests of the checks of data operators while the DAG is parsed."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG

from airflow_dlaas.operators.data import DeleteDataOperator, DownloadDataOperator, UploadDataOperator


def test_delete_of_a_whole_container_requires_everything() -> None:
    with pytest.raises(ValueError, match=r"clean_up: prefix is empty.*container 'c'.*everything=True"):
        DeleteDataOperator(task_id="clean_up", container="c")
    DeleteDataOperator(task_id="a", container="c", everything=True)
    DeleteDataOperator(task_id="b", container="c", names=[])
    DeleteDataOperator(task_id="d", container="c", prefix="{{ ds }}")


def test_delete_refuses_a_prefix_that_is_empty_after_rendering() -> None:
    operator = DeleteDataOperator(task_id="clean_up", container="c", prefix="{{ params.folder }}")
    operator.render_template_fields({"params": {"folder": ""}})
    with pytest.raises(ValueError, match="prefix is empty"):
        operator.execute({})


def test_data_operators_accept_results_of_other_tasks() -> None:
    with DAG("d"):
        upload = UploadDataOperator(task_id="upload", source="/data", container="c")
        download = DownloadDataOperator(task_id="download", container="c", destination=upload.output)
        delete = DeleteDataOperator(task_id="delete", container="c", prefix=download.output)
    assert delete.upstream_task_ids == {"download"}


def test_patterns_are_template_fields() -> None:
    assert {"include", "exclude"} <= set(UploadDataOperator.template_fields)
