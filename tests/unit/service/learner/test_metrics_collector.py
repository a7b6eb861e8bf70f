from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path

import pytest

from airflow_dlaas.contract.metric_definition import MetricDefinition
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.learner.earlier_content import EarlierContent, find_earlier_content
from airflow_dlaas.service.learner.log_file import file_logger
from airflow_dlaas.service.learner.metrics_collector import MetricsCollector, collect_metrics
from airflow_dlaas.service.learner.secret_mask import SecretMask
from airflow_dlaas.service.learner.tail_reader import MAX_LINE_BYTES, TailReader
from tests.unit.service.metrics.test_tfevents import event

LOGGER = logging.getLogger("test")


def test_tail_yields_complete_lines_of_a_growing_file(tmp_path: Path) -> None:
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
def test_replaced_metrics_file_does_not_block(tmp_path: Path, kind: str) -> None:
    path, secret = tmp_path / "own", tmp_path / "secret"
    secret.write_text('{"values": {"auc": {"type": 3, "value": 0.5}}}\n')
    {"pipe": lambda: os.mkfifo(path), "link": lambda: path.symlink_to(secret), "folder": path.mkdir}[kind]()
    assert list(TailReader(path).read_lines(final=True)) == []
    file_logger(path).info("text")
    assert secret.read_text().count("\n") == 1


def test_line_without_end_uses_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 1_000_000)
    assert [len(line) for line in TailReader(path).read_lines(final=True)] == [MAX_LINE_BYTES]


def test_metrics_of_both_sources_are_appended_as_lines(tmp_path: Path) -> None:
    log, own, metrics = tmp_path / "log", tmp_path / "own", tmp_path / "metrics.jsonl"
    follower = MetricsCollector(log, own, metrics, event_dirs=[], logger=LOGGER)
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


def test_defined_metrics_come_from_the_log_only(tmp_path: Path) -> None:
    log, metrics, board = tmp_path / "log", tmp_path / "metrics.jsonl", tmp_path / "tb"
    board.mkdir()
    (board / "events.out.tfevents.1.host").write_bytes(event("val_gap", 9.0, 1) + event("loss", 8.0, 1))
    log.write_text("loss= 2.0, accuracy= 0.5, gap 3\n")
    MetricsCollector(
        log,
        tmp_path / "own",
        metrics,
        event_dirs=[board],
        logger=LOGGER,
        definitions=[MetricDefinition(name="validation/gap", regex=r"gap (\d+)")],
    ).collect(final=True)
    kept = [Metric.model_validate_json(line) for line in metrics.read_text().splitlines()]
    assert [(value.name, value.value) for one in kept for value in one.values] == [
        ("loss", 8.0),
        ("validation/gap", 3.0),
    ]


def test_collector_of_a_further_attempt_leaves_out_what_was_there_before(tmp_path: Path) -> None:
    log, own, metrics, board = tmp_path / "log", tmp_path / "own", tmp_path / "metrics.jsonl", tmp_path / "tb"
    log.write_text("Iter 1, loss= 2.0\nIter 2, lo\n")
    (board / "restored").mkdir(parents=True)
    (board / "restored/events.out.tfevents.1.host").write_bytes(event("score", 9.0, 1))
    metrics.write_text('{"of": "the earlier attempt"}\n{"incomp')
    earlier = find_earlier_content(2, log, [board], board)
    with collect_metrics(log, own, metrics, LOGGER, event_dirs=[board], earlier=earlier):
        with log.open("a") as file:
            file.write("Iter 2, loss= 1.5\n")
        own.write_text('{"values": {"auc": {"type": 3, "value": 0.5}}}\n')
        (board / "events.out.tfevents.2.host").write_bytes(event("score", 8.0, 2))
    lines = metrics.read_text().splitlines()
    assert lines[:2] == ['{"of": "the earlier attempt"}', '{"incomp']
    kept = [Metric.model_validate_json(line) for line in lines[2:]]
    assert sorted((one.values[0].name, one.values[0].value, one.attempt) for one in kept) == [
        ("auc", 0.5, 2),
        ("loss", 1.5, 2),
        ("score", 8.0, 2),
    ]


def test_first_attempt_leaves_out_only_the_events_of_a_checkpoint(tmp_path: Path) -> None:
    """They were measured by another training. Those of the code are as of any other file."""
    log, code, checkpoints = tmp_path / "log", tmp_path / "code", tmp_path / "checkpoints"
    for folder in (code, checkpoints):
        folder.mkdir()
        (folder / "events.out.tfevents.1.host").write_bytes(event("score", 9.0, 1))
    log.write_text("[dlaas] header\n")
    restored = frozenset({checkpoints / "events.out.tfevents.1.host"})
    assert find_earlier_content(1, log, [code, checkpoints], checkpoints) == EarlierContent(event_files=restored)
    assert find_earlier_content(1, log, [code, checkpoints], None) == EarlierContent()


def test_names_of_metrics_have_no_secret(tmp_path: Path) -> None:
    own, metrics, board = tmp_path / "own", tmp_path / "metrics.jsonl", tmp_path / "hf_abcdef"
    own.write_text('{"phase": "hf_abcdef", "values": {"a hf_abcdef": {"type": 3, "value": 0.5}}}\n')
    board.mkdir()
    (board / "events.out.tfevents.1.host").write_bytes(event("loss hf_abcdef", 8.0, 1))
    collector = MetricsCollector(tmp_path / "log", own, metrics, event_dirs=[tmp_path], logger=LOGGER)
    collector.mask = SecretMask.of_values(["hf_abcdef"])
    collector.collect(final=True)
    assert "abcdef" not in metrics.read_text()
    kept = [Metric.model_validate_json(line) for line in metrics.read_text().splitlines()]
    assert {value.name for one in kept for value in one.values} == {"a ***", "loss ***"}


class Small(MetricsCollector):
    """Keeps few values; the real one keeps 250,000."""

    max_values = 20


def test_each_source_has_a_quota_of_its_own(
    tmp_path: Path, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    assert MetricsCollector.max_values == 250_000
    log, metrics, board = tmp_path / "log", tmp_path / "metrics.jsonl", tmp_path / "tb"
    board.mkdir()
    (board / "events.out.tfevents.1.host").write_bytes(event("reward", 1.0, 1) * (Small.max_values + 10))
    log.write_text("loss= 2.0, accuracy= 0.5\n")
    follower = Small(log, tmp_path / "own", metrics, event_dirs=[board], logger=logger)
    follower.collect(final=True)
    kept = [Metric.model_validate_json(line) for line in metrics.read_text().splitlines()]
    names = Counter(value.name for one in kept for value in one.values)
    assert names == {"reward": Small.max_values, "loss": 1, "accuracy": 1}
    assert caplog.messages == ["The limit of 20 values from event files is reached; the rest is dropped"]


def test_progress_bar_gives_points_while_its_line_is_redrawn(tmp_path: Path) -> None:
    log, metrics = tmp_path / "log", tmp_path / "metrics.jsonl"
    collector = MetricsCollector(log, tmp_path / "own", metrics, event_dirs=[], logger=LOGGER)
    log.write_text("\r0% loss=1.000\r1% loss=0.500")
    collector.collect()
    kept = [Metric.model_validate_json(line) for line in metrics.read_text().splitlines()]
    assert [(one.iteration, one.axis, one.progress, one.values[0].value) for one in kept] == [
        (0, "step", True, 1.0),
        (1, "step", True, 0.5),
    ]
    with log.open("a") as file:
        file.write("\n")
    collector.collect(final=True)
    assert metrics.read_text().count("\n") == 2


def test_defined_metrics_are_read_from_a_progress_bar(tmp_path: Path) -> None:
    log, metrics = tmp_path / "log", tmp_path / "metrics.jsonl"
    definitions = [MetricDefinition(name="gap", regex=r"gap (\d+)")]
    collector = MetricsCollector(log, tmp_path / "own", metrics, event_dirs=[], logger=LOGGER, definitions=definitions)
    log.write_text("Epoch 2\n\r3/10 gap 5\r4/10 gap 6")
    collector.collect()
    with log.open("a") as file:
        file.write("\r10/10 gap 7\n")
    collector.collect(final=True)
    kept = [Metric.model_validate_json(line) for line in metrics.read_text().splitlines()]
    assert [(one.iteration, one.axis, one.progress, one.values[0].value) for one in kept] == [
        (13, "step", True, 5.0),
        (14, "step", True, 6.0),
        (2, "epoch", None, 7.0),
    ]


def test_progress_bars_leave_room_for_other_values(
    tmp_path: Path, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    log, metrics = tmp_path / "log", tmp_path / "metrics.jsonl"
    log.write_text("".join(f"\r{number}% loss=0.5" for number in range(50)) + "\nval_loss: 0.5\n")
    Small(log, tmp_path / "own", metrics, event_dirs=[], logger=logger).collect(final=True)
    kept = [Metric.model_validate_json(line) for line in metrics.read_text().splitlines()]
    assert Counter(value.name for one in kept for value in one.values) == {"loss": Small.max_values, "val_loss": 1}
    assert caplog.messages == ["The limit of 20 values from progress bars in the log is reached; the rest is dropped"]
