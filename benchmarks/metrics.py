"""
Cost of metrics: lines per second that the reader of logs parses, and the first request for the curves of a training.

Run by hand: ``python benchmarks/metrics.py``. The ratios are measured in one run: lines against one regular expression
in the same lines, and the metrics file against the validation of each of its lines by the model.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.contract.training import Metric, MetricValue
from airflow_dlaas.service.metrics.log_metrics import LogMetricsParser
from airflow_dlaas.service.metrics.metrics_cache import MetricsCache

ROUNDS, LINES, POINTS = 3, 5_000, 50_000
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)

KINDS = {
    "text": "Iter {}, Minibatch Loss= 0.{}, Training Accuracy= 0.95312",
    "MNIST": "Train Epoch: 3 [{}/60000 (1%)]\tLoss: 0.{}",
    "Keras": "100/100 - 1s - loss: {}.{} - mae: 0.4 - mse: 0.3 - val_loss: 0.6 - val_mae: 0.5 - val_mse: 0.33",
    "tqdm": " 45%|████      | {}/9000 [00:01<00:01, 300.00it/s, loss=0.{}]",
    "JSON": '{{"step": {}, "loss": 0.{}, "seconds": 12, "note": "x"}}',
    "printed dict": "{{'loss': {}.{}, 'grad_norm': 1.23, 'learning_rate': 4.9e-05, 'epoch': 0.01}}",
    "no metric": "2026-11-23 12:00:00.123: I tensorflow/core/platform: loading layer {} of {} from /a/b/c.h5",
    "no number": "the quick brown fox jumps over the lazy dog, and goes on for a while",
}

NAME_AND_NUMBER = re.compile(r"[A-Za-z_][\w ]*[=:] ?[-+]?\d+\.?\d*")


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of the fastest of `ROUNDS` rounds, in seconds: other programs do not count."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def measure_lines() -> None:
    """Print the lines per second of each kind of line."""
    for kind, form in KINDS.items():
        lines = [form.format(number, number) for number in range(LINES)]
        parser = LogMetricsParser()
        parsed = seconds(lambda lines=lines, parser=parser: [parser.parse_line(one, NOW) for one in lines])
        searched = seconds(lambda lines=lines: [NAME_AND_NUMBER.findall(one) for one in lines])
        print(f"{kind:14} {LINES / parsed:9,.0f} lines/s, {parsed / searched:5.1f} times one regular expression")


def metrics_file(path: Path, *, lines: int, series: int, values: int) -> list[bytes]:
    """Write *lines* metrics of *values* values each, of *series* series in turn; return the lines."""
    names = [f"loss {number}" for number in range(series)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(lines):
            own = [names[(number * values + one) % series] for one in range(values)]
            metric = Metric(
                timestamp=NOW,
                iteration=number // series,
                values=tuple(MetricValue(name=name, value=1 / (number + 1)) for name in own),
                axis="step",
            )
            file.write(f"{metric.model_dump_json(exclude_none=True)}\n")
    return path.read_bytes().splitlines()


def measure_curves(folder: Path) -> None:
    """Print the time of the first request for 50,000 points."""
    for name, lines, series, values in (
        ("one series", POINTS, 1, 1),
        ("10 series, a line each", POINTS, 10, 1),
        ("10 series in each line", POINTS // 10, 10, 10),
        ("50 series in each line", POINTS // 50, 50, 50),
    ):
        path = folder / name
        content = metrics_file(path, lines=lines, series=series, values=values)
        first = seconds(
            lambda path=path: MetricsCache(Metric.model_validate_json).curves(path, 800, None, complete=True)
        )
        validated = seconds(lambda content=content: [Metric.model_validate_json(line) for line in content])
        print(f"{POINTS:,} points, {name:24} {first:.2f} s, {first / validated:.2f} of the validation by the model")


def main() -> None:
    """Measure, and print the results."""
    measure_lines()
    with tempfile.TemporaryDirectory() as folder:
        measure_curves(Path(folder))


if __name__ == "__main__":
    main()
