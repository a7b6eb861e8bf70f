"""What the demo shows, and what it says line by line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

import pytest

from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.training import Training
from airflow_dlaas.demo.view_model import (
    DemoView,
    StartupStep,
    TaskRow,
    change_lines,
    metrics_line,
    task_log_lines,
    task_rows,
    topological_order,
    training_line,
)


@dataclass(frozen=True)
class ATask:
    task_id: str
    state: str | None = None
    seconds: float | None = None


def test_tasks_come_after_all_they_wait_for():
    assert topological_order({"last": [], "b": ["last"], "a": ["b", "last"]}) == ["a", "b", "last"]


def test_an_order_that_goes_in_circles_still_names_every_task():
    assert sorted(topological_order({"a": ["b"], "b": ["a"]})) == ["a", "b"]


def test_rows_stand_in_the_order_of_the_dag_however_airflow_lists_them():
    found = task_rows([ATask("b"), ATask("mapped"), ATask("a", "running", 1.5)], ["a", "b"], {"a": "12 of 50 MiB"})
    assert found == (
        TaskRow("a", "running", 1.5, "12 of 50 MiB"),
        TaskRow("b", "waiting"),
        TaskRow("mapped", "waiting"),
    )


def test_what_has_not_changed_is_not_said_again():
    picture = DemoView((StartupStep("Airflow", "running", "x", 1),), (TaskRow("a", "running", 1.0),), "t: running", "1")
    later = DemoView(
        (StartupStep("Airflow", "running", "y", 9),), (TaskRow("a", "running", 5.0, "n"),), "t: running", "2", "l"
    )
    assert list(change_lines(picture, later)) == []


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (DemoView(), DemoView((StartupStep("Airflow"),)), []),
        (DemoView(), DemoView((StartupStep("Airflow", "running"),)), ["Airflow: running"]),
        (
            DemoView((StartupStep("Airflow", "running"),)),
            DemoView((StartupStep("Airflow", "done", "gone", 2),)),
            ["Airflow: done (2.0 s)"],
        ),
        (
            DemoView((StartupStep("Airflow", "running"),)),
            DemoView((StartupStep("Airflow", "failed", "no port", 2),)),
            ["Airflow: failed: no port"],
        ),
        (DemoView(), DemoView(rows=(TaskRow("a", "waiting"),)), []),
        (
            DemoView(rows=(TaskRow("a", "running"),)),
            DemoView(rows=(TaskRow("a", "failed", 3, "why"),)),
            ["a: failed (3.0 s): why"],
        ),
        (
            DemoView(rows=(TaskRow("a", "running"),)),
            DemoView(rows=(TaskRow("a", "success", 3),)),
            ["a: success (3.0 s)"],
        ),
        (DemoView(), DemoView(training="t: pending"), ["t: pending"]),
    ],
)
def test_each_change_is_one_line(before: DemoView, after: DemoView, lines: list[str]):
    assert list(change_lines(before, after)) == lines


def test_a_tasks_own_words_are_told_from_airflows():
    log = ["::group::Log message source details", "/x/attempt=1.log", "::endgroup::", "one\n\n two ", "Pushing xcom"]
    assert task_log_lines(log) == ["one", "two"]


def test_a_training_that_runs_is_told_by_its_phase_and_its_last_numbers():
    training = a_training(
        '"state": "running", "phase": "processing", "gpus": ["virtual:0"], "metrics": [{"timestamp": "%s",'
        ' "iteration": 40, "phase": "train", "values": [{"name": "loss", "value": 0.123456}]}]'
    )
    assert training_line(training) == "training-abcdefghi: running, processing on virtual:0"
    assert metrics_line(training) == "iteration 40 (train): loss 0.1235"


def test_an_ended_training_has_no_phase_and_one_that_measured_nothing_no_numbers():
    assert metrics_line(a_training('"state": "completed"')) == ""
    assert training_line(a_training('"state": "completed", "phase": "storing"')) == "training-abcdefghi: completed"


def a_training(status: str) -> Training:
    now = datetime(2026, 1, 1, tzinfo=timezone.utc).isoformat()
    text = """{"metadata": {"guid": "training-abcdefghi", "url": "/v3/models/training-abcdefghi", "created_at": "NOW",
        "modified_at": "NOW"}, "entity": {"model_definition": {"name": "n", "author": "a",
        "definition_location": "/v3/x",
        "framework": {"name": "tensorflow", "version": "2.21"},
        "execution": {"command": "c", "resourceType": "small"}},
        "status": {"submitted_at": "NOW", "current_at": "NOW", STATUS}}}"""
    return parse_response(Training)(text.replace("STATUS", status).replace("NOW", now).replace("%s", now).encode())
