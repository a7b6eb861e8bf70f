"""Deferred trainings that are ended together: none runs on. ``python -m tests.chaos.airflow.ended`` does more of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.stage import Stage, eventually
from tests.system.sweep import WAYS, Sweep, marked_failed


@pytest.mark.parametrize(("way", "size"), [("marked failed", 1), ("marked failed", 16), *((way, 4) for way in WAYS)])
@pytest.mark.timeout(900)
def test_trainings_that_are_ended_at_once_are_all_canceled(stage: Stage, tmp_path: Path, way: str, size: int) -> None:
    kind, end = WAYS[way]
    sweep = Sweep.begin(stage, size, tmp_path, kind)
    lost = end(sweep)
    assert not lost, f"{len(lost)} of {size} run on: {sweep.told()}"


@pytest.mark.timeout(600)
def test_each_task_s_own_log_says_that_its_training_was_canceled(stage: Stage, tmp_path: Path) -> None:
    sweep = Sweep.begin(stage, 4, tmp_path)
    assert not marked_failed(sweep)

    def said() -> bool | None:
        logs = ["\n".join(stage.airflow.api.log(sweep.dag_id, sweep.run_id, "train", 1, index)) for index in range(4)]
        return True if all("was canceled" in log for log in logs) else None

    eventually(said, sweep.told)
