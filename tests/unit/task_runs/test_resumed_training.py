"""The log message about the training that a new one resumes."""

from __future__ import annotations

from airflow_dlaas.task_runs.resumed_training import describe_resume
from tests.builders import a_training

CHECKPOINT = {"attempt": 2, "number": 7, "stored_at": "2026-11-23T02:10:00.000Z", "files": 3, "bytes": 9}


def test_message_names_the_newest_checkpoint_if_the_status_has_one() -> None:
    assert describe_resume("training-1", a_training("error", checkpoint=CHECKPOINT).status) == (
        "The training resumes from training training-1 (attempt 2, checkpoint 7)"
    )


def test_message_leaves_open_whether_there_is_a_checkpoint_if_the_status_has_none() -> None:
    for status in (None, a_training("error").status):
        assert describe_resume("training-1", status) == (
            "The training resumes from training training-1, if it has stored a checkpoint"
        )
