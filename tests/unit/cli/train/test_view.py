"""What a person sees of a training that is followed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_dlaas.cli.train.output import PlainOutput, render
from airflow_dlaas.cli.train.view import FollowView, metrics_line, plot_lines, state_text, status_line
from airflow_dlaas.contract.data_report import LoadProgress
from airflow_dlaas.contract.training import Metric, MetricValue, Training

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def training(**status: Any) -> Training:
    return Training.model_validate(
        {
            "metadata": {"guid": "training-1", "url": "/", "created_at": NOON, "modified_at": NOON},
            "entity": {
                "model_definition": {
                    "name": "mnist",
                    "definition_location": "x",
                    "framework": {"name": "torch", "version": "2"},
                    "execution": {"command": "true", "resourceType": "small"},
                },
                "status": {"state": "running", "submitted_at": NOON, "current_at": NOON} | status,
            },
        }
    )


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"state": "pending"}, "pending"),
        ({"state": "pending", "phase": "queued", "queue_position": 2}, "pending, waits for GPUs behind 2"),
        ({"state": "pending", "phase": "queued", "queue_position": 0}, "pending, waits for GPUs"),
        ({"phase": "loading"}, "running, loading code and data"),
        ({"phase": "processing", "cancel_requested": True}, "running, is being canceled"),
        ({"state": "completed", "phase": "storing"}, "completed"),
        ({"phase": "recovering", "attempt": 2, "queue_position": 3}, "running, attempt 2, recovering"),
        ({"phase": "loading", "attempt": 2}, "running, attempt 2, loading code and data"),
        ({"phase": "processing", "attempt": 1}, "running, training"),
        ({"state": "error", "attempt": 2}, "error"),
        ({"state": "pending", "phase": "queued", "waits_for": "t-1"}, "pending, waits for the end of t-1"),
    ],
)
def test_state_is_shown_in_words(status: dict[str, Any], text: str) -> None:
    assert state_text(training(**status)) == text


def test_end_of_each_attempt_is_shown_once() -> None:
    view = FollowView()
    assert view.take_ended_attempts() == []
    lost = {"number": 1, "code": "S100", "reason": "the learner was lost"}
    failed = {"number": 2, "exit_code": 75, "reason": "the command exited with 75"}
    view.update(training(phase="recovering", attempt=2, attempts=[lost]))
    assert view.take_ended_attempts() == ["1 ended: the learner was lost (S100); attempt 2 follows"]
    view.update(training(phase="processing", attempt=2, attempts=[lost, {"number": 2}]))
    assert view.take_ended_attempts() == []
    view.update(training(phase="processing", attempt=3, attempts=[lost, failed, {"number": 3}]))
    assert view.take_ended_attempts() == ["2 ended: the command exited with 75; attempt 3 follows"]


def test_status_line_has_the_time_by_the_clock_of_the_service() -> None:
    view = FollowView()
    assert status_line(view) == "waiting for the first status"
    view.update(training(state="completed", running_at=NOON, finished_at=NOON + timedelta(seconds=65), current_at=NOON))
    assert status_line(view) == "training-1  completed  0:01:05"


def test_plot_appears_with_the_second_value() -> None:
    view = FollowView()
    view.metrics.add([Metric(timestamp=NOON, iteration=1, values=[MetricValue(name="loss", value=2.0)])])
    assert plot_lines(view, 80) == []
    view.metrics.add([Metric(timestamp=NOON, iteration=2, values=[MetricValue(name="loss", value=0.12345)])])
    assert plot_lines(view, 80)[0] == "loss"
    assert metrics_line(view) == "loss 0.1235"


def test_display_fits_into_the_terminal() -> None:
    from rich.console import Console

    view = FollowView(current_line="50% " + "=" * 200)
    view.update(training(phase="processing"))
    for epoch in range(20):
        view.metrics.add(
            [Metric(timestamp=NOON, iteration=epoch, values=[MetricValue(name="loss", value=1 / (epoch + 1))])]
        )
    console = Console(width=80, height=24, record=True, force_terminal=False, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        console.print(render(view, 80))
    lines = capture.get().splitlines()
    assert "running, training" in lines[1]
    assert lines[2].startswith("50% ===")
    assert lines[2].endswith("…")
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 80


def test_plain_output_prints_each_state_once_and_keeps_logs_apart(capsys: pytest.CaptureFixture[str]) -> None:
    output, view = PlainOutput(), FollowView()
    for phase in ("loading", "loading", "processing"):
        view.update(training(phase=phase))
        output.update(view)
    output.log("5%\r9%\nepoch 1\nepoch", ["9%", "epoch 1"])
    output.end_log(["epoch"])
    printed = capsys.readouterr()
    assert printed.out == "9%\nepoch 1\nepoch\n"
    assert printed.err.splitlines() == [
        "state       running, loading code and data",
        "state       running, training",
    ]


def test_quiet_output_prints_the_end_of_the_log_only_after_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    output = PlainOutput(quiet=True)
    lines = [f"line {number}" for number in range(100)]
    output.log("\n".join(lines), lines)
    assert capsys.readouterr() == ("", "")
    output.show_last_lines()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[0] == "log         the last 20 lines:"
    assert printed.err.splitlines()[-1] == "line 99"


def test_step_escapes_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    PlainOutput().step("code", "a\x1b[2J")
    assert capsys.readouterr().err == "code        a\\x1b[2J\n"


def test_progress_of_the_data_is_in_the_line_of_the_state() -> None:
    view = FollowView()
    view.update(training(phase="loading"))
    assert view.may_load
    view.loading = LoadProgress(files=1, total_files=2, bytes=1, total_bytes=2)
    assert status_line(view).endswith("  1 B of 2 B, 1 of 2 files")
    view.update(training(phase="processing"))
    assert not view.may_load


def test_data_of_each_attempt_is_shown_once() -> None:
    view = FollowView()
    assert view.take_data() == []
    data = {"sources": [{"name": "digits", "type": "s3", "files": 2, "bytes": 2}]}
    view.update(training(phase="processing", data=data))
    assert view.take_data() == ["digits: 2 files (2 B)"]
    view.update(training(phase="storing", data=data))
    assert view.take_data() == []
    view.update(training(phase="processing", data=data, attempt=2))
    assert view.take_data() == ["digits: 2 files (2 B)"]
