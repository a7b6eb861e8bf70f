from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from airflow_dlaas.service.metrics.log_metrics import LogMetricsParser

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)


def read(*lines: str) -> list[tuple[int, dict[str, float]]]:
    log = LogMetricsParser()
    found = [metric for line in lines if (metric := log.parse_line(line, NOW)) is not None]
    return [(one.iteration, {value.name: value.value for value in one.values}) for one in found]


@pytest.mark.parametrize(
    ("line", "step", "values"),
    [
        (
            "Iter 19200, Minibatch Loss= 0.171, Training Accuracy= 0.95312",
            19200,
            {"Minibatch Loss": 0.171, "Training Accuracy": 0.95312},
        ),
        ("epoch 1 loss: 0.3", 1, {"loss": 0.3}),
        ("Step 10 | loss = 1e-3 | lr = .01", 10, {"loss": 0.001, "lr": 0.01}),
        ("Train Epoch: 3 [640/60000 (1%)]\tLoss: 0.523", 3, {"Loss": 0.523}),
        ("I1123 12:00:00.1 7 solver.cpp:218] Iteration 100 (5 iter/s), loss = 0.5", 100, {"loss": 0.5}),
        ("I1123 12:00:00.1 7 solver.cpp:237]     Train net output #0: loss = 0.5 (* 1 = 0.5 loss)", 1, {"loss": 0.5}),
        ('{"step": 7, "loss": 0.25, "seconds": 12, "note": "x"}', 7, {"loss": 0.25}),
        ("Testing Accuracy: 97.5%", 1, {"Testing Accuracy": 97.5}),
    ],
)
def test_common_log_lines_are_parsed(line: str, step: int, values: dict[str, float]) -> None:
    assert read(line) == [(step, values)]


def test_keras_progress_bar_counts_only_at_its_end_with_its_epoch() -> None:
    running = "\x1b[1m 3/10\x1b[0m \x1b[32m━━━\x1b[0m \x1b[1m0s\x1b[0m 20ms/step - accuracy: 0.5000 - loss: 1.2"
    ended = (
        running
        + "\r"
        + "\x08" * 9
        + "\r\x1b[1m10/10\x1b[0m ━━━ 2s 20ms/step - accuracy: 0.9 - loss: 0.3 - val_loss: 0.4"
    )
    assert read("Epoch 2/5", running, ended) == [(2, {"accuracy": 0.9, "loss": 0.3, "val_loss": 0.4})]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Downloading: 45%",
        "2026-11-23 12:00:00.123: I tensorflow/core/platform: cpu = 4",
        "loss: nan",
        "loss=inf",
        "{not json",
        '{"loss": true}',
        "[1, 2]",
        "path: /a/b.loss",
        "lossless: yes",
    ],
)
def test_line_without_a_metric_is_ignored(line: str) -> None:
    assert read(line) == []


def test_line_without_a_step_gets_its_count_as_step() -> None:
    assert [step for step, _ in read("loss: 3", "hello", "loss: 2")] == [1, 2]


@pytest.mark.parametrize(
    "line", ["a" * 100_000, "a " * 50_000 + ":", "loss=" * 20_000, "{" * 100_000, "loss: 1 " * 20_000]
)
def test_parsing_time_of_any_line_is_limited(line: str) -> None:
    begun = time.process_time()
    read(line)
    assert time.process_time() - begun < 0.5
