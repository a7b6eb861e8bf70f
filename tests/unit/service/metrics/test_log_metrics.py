"""`tests/cases/logs/lines.txt` has the table of lines and their metrics."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from airflow_dlaas.service.metrics.log_metrics import LogMetricsParser
from airflow_dlaas.service.metrics.metric_phases import split_phase

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)

LOGS = Path(__file__).parents[3] / "cases" / "logs"

CASES = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", (LOGS / "lines.txt").read_text("utf-8"), re.MULTILINE))


def read(*lines: str, log: LogMetricsParser | None = None, redrawn: bool = False) -> list[str]:
    """Return the metrics of *lines* as the table writes them."""
    log = log or LogMetricsParser()
    metrics = [found for line in lines if (found := log.parse_line(line, NOW, is_redrawn=redrawn)) is not None]
    return [
        f"{'~' if metric.progress else ''}{'/'.join(filter(None, split_phase(metric.phase, value.name)))}"
        f"={value.value:g} @{metric.iteration}{metric.axis or ''}"
        for metric in metrics
        for value in metric.values
    ]


@pytest.mark.parametrize("case", CASES)
def test_lines_of_a_training_program_give_its_metrics(case: str) -> None:
    log, table = LogMetricsParser(), ""
    for line in CASES[case].splitlines():
        if not line.startswith("=> "):
            metrics = read(line.replace("␛", "\x1b"), log=log)
            table += f"{line}\n" + (f"=> {', '.join(metrics)}\n" if metrics else "")
    assert table == CASES[case]


LOG_METRICS = {
    "nan": """
        loss=0.5 @0step, accuracy=0.9 @0step, loss=nan @1step, accuracy=0.1 @1step, loss=inf @2step, accuracy=0.1 @2step
    """,
    "comma": "loss=0.5 @3step, loss=1234.5 @4step",
    "epoch_step": "loss=1 @100step, loss=0.9 @200step, Loss=0.15 @700step",
    "prefixed_json": "loss=0.5 @3step, loss=0.4 @6step, train/loss=0.5 @1step",
    "hf_trainer": """
        loss=0.6931 @1step, grad_norm=1.23 @1step, learning_rate=4.9e-05 @1step,
        validation/loss=0.5 @2step, validation/accuracy=0.8 @2step, train/loss=0.44 @3step
    """,
    "pytorch_mnist_example": """
        train/Loss=2.3054 @0step, train/Loss=1.35978 @640step,
        validation/Average loss=0.0482 @640step, validation/Accuracy=0.9842 @640step
    """,
    "keras_val_mae": """
        loss=0.5 @1epoch, mae=0.4 @1epoch, mse=0.3 @1epoch,
        validation/loss=0.6 @1epoch, validation/mae=0.5 @1epoch, validation/mse=0.33 @1epoch
    """,
}


@pytest.mark.parametrize("log", LOG_METRICS)
def test_metrics_of_a_log(log: str) -> None:
    lines = (LOGS / f"{log}.log").read_text().split("\n")
    assert ", ".join(read(*lines)) == " ".join(LOG_METRICS[log].split())


def test_last_state_of_a_keras_bar_has_the_values_of_the_epoch() -> None:
    log, state = LogMetricsParser(), "10/10 \x1b[32m━━━\x1b[0m 0s 20ms/step - loss: 0.5"
    log.parse_line("Epoch 2/5", NOW)
    running = read(" 3/10 - loss: 0.7", state + "\x08" * 9, log=log, redrawn=True)
    assert running == [
        "~loss=0.7 @13step",
        "~loss=0.5 @20step",
    ]
    assert read(state + " - val_loss: 0.6", log=log) == ["loss=0.5 @2epoch", "validation/loss=0.6 @2epoch"]


def test_last_state_of_another_bar_is_read_once() -> None:
    log, state = LogMetricsParser(), "49% loss=0.02"
    assert read("48% loss=0.03", state, log=log, redrawn=True) == ["~loss=0.03 @48step", "~loss=0.02 @49step"]
    assert read(state, log=log) == []


def test_line_that_is_redrawn_without_a_bar_shows_progress_until_it_ends() -> None:
    log = LogMetricsParser()
    assert read("Epoch 1 step 5 loss 0.5", log=log, redrawn=True) == ["~loss=0.5 @5step"]
    assert read("Epoch 1 step 9 loss 0.4", log=log) == ["loss=0.4 @9step"]


def test_whole_line_with_carriage_returns_counts_in_its_last_state() -> None:
    assert read("step 1 loss: 3\rstep 2 loss: 2\r\x1b[Kstep 3 loss: 1\r") == ["loss=1 @3step"]


@pytest.mark.parametrize(
    "line",
    [
        "a" * 100_000,
        "a " * 50_000 + ":",
        "loss=" * 20_000,
        "{" * 100_000,
        "loss: 1 " * 20_000,
        "9" * 100_000,
        "1," * 50_000,
        "{'\\" * 30_000,
        "loss(" * 20_000 + "=",
        "0.5%|" * 20_000,
        "[00:" * 20_000,
    ],
)
def test_parsing_time_of_any_line_is_limited(line: str) -> None:
    begun = time.process_time()
    read(line)
    assert time.process_time() - begun < 0.5
