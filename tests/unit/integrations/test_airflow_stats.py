"""Metrics of trainings in Airflow's statistics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dlaas.integrations.airflow_stats import record_ended_training
from tests.builders import a_training

stats = pytest.importorskip("airflow.sdk.observability.stats", reason="Airflow's facility lay elsewhere before 3.3")

CONTEXT: Any = {"ti": SimpleNamespace(dag_id="nightly", task_id="train")}


class RecordingStats:
    """A statistics backend that records its calls."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Any, dict[str, str]]] = []

    def incr(self, stat: str, count: int = 1, *, tags: dict[str, str], **_: Any) -> None:
        self.all.append((stat, count, tags))

    def timing(self, stat: str, dt: Any, *, tags: dict[str, str], **_: Any) -> None:
        self.all.append((stat, dt, tags))


@pytest.fixture
def recorded() -> Iterator[RecordingStats]:
    backend = RecordingStats()
    stats.initialize(factory=lambda: backend, export_legacy_names=False)
    yield backend
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger

    stats.initialize(factory=NoStatsLogger, export_legacy_names=True)


def test_an_ended_training_is_counted_with_its_state_and_times(recorded: RecordingStats) -> None:
    training = a_training("error", running_at="2026-11-23T02:00:10.000Z", finished_at="2026-11-23T02:01:00.000Z")
    record_ended_training(CONTEXT, training)
    tags = {"dag_id": "nightly", "task_id": "train", "state": "error"}
    assert recorded.all == [
        ("dlaas.training.ended", 1, tags),
        ("dlaas.training.queued", timedelta(seconds=10), tags),
        ("dlaas.training.duration", timedelta(seconds=50), tags),
    ]


def test_a_training_that_never_ran_has_no_times(recorded: RecordingStats) -> None:
    record_ended_training(CONTEXT, a_training("canceled", finished_at="2026-11-23T02:01:00.000Z"))
    assert [name for name, _, _ in recorded.all] == ["dlaas.training.ended"]


def test_a_training_whose_command_did_no_work_is_counted_as_stalled(recorded: RecordingStats) -> None:
    record_ended_training(CONTEXT, a_training("completed", stalled_seconds=12.5))
    tags = {"dag_id": "nightly", "task_id": "train", "state": "completed"}
    assert ("dlaas.training.stalled", 1, tags) in recorded.all
