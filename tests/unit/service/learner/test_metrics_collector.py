from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from airflow_dlaas.contract.metric_definition import MetricDefinition
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.learner.log_file import LogFile
from airflow_dlaas.service.learner.metrics_collector import MAX_LINE_BYTES, MetricsCollector, TailReader
from tests.unit.service.metrics.test_tfevents import event


def test_a_growing_file_is_read_by_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = TailReader(path)
    assert list(tail.read_lines()) == []
    with path.open("ab", buffering=0) as file:
        file.write(b"one\ntw")
        assert list(tail.read_lines()) == ["one"]
        file.write(b"o\nthree")
        assert list(tail.read_lines()) == ["two"]
        assert list(tail.read_lines(final=True)) == ["three"]
        assert list(tail.read_lines(final=True)) == []


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_a_command_puts_in_the_place_of_its_metrics_file_holds_up_nothing(tmp_path: Path, kind: str) -> None:
    path, secret = tmp_path / "own", tmp_path / "secret"
    secret.write_text('{"values": {"auc": {"type": 3, "value": 0.5}}}\n')
    {"pipe": lambda: os.mkfifo(path), "link": lambda: path.symlink_to(secret), "folder": path.mkdir}[kind]()
    assert list(TailReader(path).read_lines(final=True)) == []
    journal = LogFile(path)
    journal.write_message("text")
    assert secret.read_text().count("\n") == 1


def test_a_line_that_never_ends_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 1_000_000)
    assert [len(line) for line in TailReader(path).read_lines(final=True)] == [MAX_LINE_BYTES]


def test_metrics_of_both_sources_are_kept_one_a_line(tmp_path: Path) -> None:
    log, own, metrics = tmp_path / "log", tmp_path / "own", tmp_path / "metrics.jsonl"
    follower = MetricsCollector(log, own, metrics, event_dirs=[], on_error=[].append)
    follower.collect()
    assert not metrics.exists()
    log.write_text("Iter 1, loss= 2.0\nnothing\nIter 2, lo")
    own.write_text('{"values": {"auc": {"type": 3, "value": 0.5}}}\n')
    follower.collect()
    with log.open("a") as file:
        file.write("ss= 1.0")
    follower.collect(final=True)
    kept = [Metric.model_validate_json(line) for line in metrics.read_text().splitlines()]
    assert [(one.iteration, one.values[0].name, one.values[0].value) for one in kept] == [
        (1, "loss", 2.0),
        (0, "auc", 0.5),
        (2, "loss", 1.0),
    ]


def test_what_a_definition_names_is_taken_from_the_log_and_from_nowhere_else(tmp_path: Path) -> None:
    log, metrics, board = tmp_path / "log", tmp_path / "metrics.jsonl", tmp_path / "tb"
    board.mkdir()
    (board / "events.out.tfevents.1.host").write_bytes(event("val_gap", 9.0, 1) + event("loss", 8.0, 1))
    log.write_text("loss= 2.0, accuracy= 0.5, gap 3\n")
    MetricsCollector(
        log,
        tmp_path / "own",
        metrics,
        event_dirs=[board],
        on_error=[].append,
        definitions=[MetricDefinition(name="validation/gap", regex=r"gap (\d+)")],
    ).collect(final=True)
    kept = [Metric.model_validate_json(line) for line in metrics.read_text().splitlines()]
    assert [(value.name, value.value) for one in kept for value in one.values] == [
        ("loss", 8.0),
        ("validation/gap", 3.0),
    ]


class Small(MetricsCollector):
    """It keeps few values, as the real one keeps 250,000."""

    limit = 20


def test_a_talkative_source_takes_nothing_from_the_others(tmp_path: Path) -> None:
    assert MetricsCollector.max_values == 250_000
    log, metrics, board, said = tmp_path / "log", tmp_path / "metrics.jsonl", tmp_path / "tb", []
    board.mkdir()
    (board / "events.out.tfevents.1.host").write_bytes(event("reward", 1.0, 1) * (Small.max_values + 10))
    log.write_text("loss= 2.0, accuracy= 0.5\n")
    follower = Small(log, tmp_path / "own", metrics, event_dirs=[board], on_error=said.append)
    follower.collect(final=True)
    kept = [Metric.model_validate_json(line) for line in metrics.read_text().splitlines()]
    names = Counter(value.name for one in kept for value in one.values)
    assert names == {"reward": Small.max_values, "loss": 1, "accuracy": 1}
    assert said == ["No more than 20 values of event files are kept"]
