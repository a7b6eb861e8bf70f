"""Tests of the data that the demo shows, and of its lines about changes."""

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
class FakeTask:
    task_id: str
    state: str | None = None
    seconds: float | None = None


def test_topological_order_puts_a_task_after_its_upstream_tasks():
    assert topological_order({"last": [], "b": ["last"], "a": ["b", "last"]}) == ["a", "b", "last"]


def test_topological_order_of_a_cycle_contains_every_task():
    assert sorted(topological_order({"a": ["b"], "b": ["a"]})) == ["a", "b"]


def test_task_rows_are_in_the_order_of_the_dag():
    found = task_rows(
        [FakeTask("b"), FakeTask("mapped"), FakeTask("a", "running", 1.5)], ["a", "b"], {"a": "12 of 50 MiB"}
    )
    assert found == (
        TaskRow("a", "running", 1.5, "12 of 50 MiB"),
        TaskRow("b", "waiting"),
        TaskRow("mapped", "waiting"),
    )


def test_change_lines_skip_what_has_not_changed():
    before = DemoView((StartupStep("Airflow", "running", "x", 1),), (TaskRow("a", "running", 1.0),), "t: running", "1")
    after = DemoView(
        (StartupStep("Airflow", "running", "y", 9),), (TaskRow("a", "running", 5.0, "n"),), "t: running", "2", "l"
    )
    assert list(change_lines(before, after)) == []


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
def test_change_lines_are_one_for_each_change(before: DemoView, after: DemoView, lines: list[str]):
    assert list(change_lines(before, after)) == lines


def test_task_log_lines_leave_out_the_lines_of_airflow():
    log = ["::group::Log message source details", "/x/attempt=1.log", "::endgroup::", "one\n\n two ", "Pushing xcom"]
    assert task_log_lines(log) == ["one", "two"]


def test_training_line_of_a_running_training_has_phase_and_gpus():
    training = make_training(
        '"state": "running", "phase": "processing", "gpus": ["virtual:0"], "metrics": [{"timestamp": "%s",'
        ' "iteration": 40, "phase": "train", "values": [{"name": "loss", "value": 0.123456}]}]'
    )
    assert training_line(training) == "training-abcdefghi: running, processing on virtual:0"
    assert metrics_line(training) == "iteration 40: train/loss 0.1235"


def test_training_line_of_an_ended_training_has_no_phase():
    assert metrics_line(make_training('"state": "completed"')) == ""
    assert training_line(make_training('"state": "completed", "phase": "storing"')) == "training-abcdefghi: completed"


def make_training(status: str) -> Training:
    now = datetime(2026, 1, 1, tzinfo=timezone.utc).isoformat()
    text = """{"metadata": {"guid": "training-abcdefghi", "url": "/v3/models/training-abcdefghi", "created_at": "NOW",
        "modified_at": "NOW"}, "entity": {"model_definition": {"name": "n", "author": "a",
        "definition_location": "/v3/x",
        "framework": {"name": "tensorflow", "version": "2.21"},
        "execution": {"command": "c", "resourceType": "small"}},
        "status": {"submitted_at": "NOW", "current_at": "NOW", STATUS}}}"""
    return parse_response(Training)(text.replace("STATUS", status).replace("NOW", now).replace("%s", now).encode())
