"""Many deferred tasks that end at once cancel all trainings; ``python -m tests.chaos.airflow.ended`` runs longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.stage import Stage, eventually
from tests.system.sweep import WAYS, Sweep, marked_failed


@pytest.mark.parametrize(("way", "size"), [("marked failed", 1), ("marked failed", 16), *((way, 4) for way in WAYS)])
@pytest.mark.timeout(900)
def test_tasks_that_end_at_once_cancel_all_their_trainings(stage: Stage, tmp_path: Path, way: str, size: int) -> None:
    kind, end = WAYS[way]
    sweep = Sweep.begin(stage, size, tmp_path, kind)
    lost = end(sweep)
    assert not lost, f"{len(lost)} of {size} run on: {sweep.describe()}"


@pytest.mark.timeout(600)
def test_the_log_of_each_task_has_the_cancellation_of_its_training(stage: Stage, tmp_path: Path) -> None:
    sweep = Sweep.begin(stage, 4, tmp_path)
    assert not marked_failed(sweep)

    def all_logged() -> bool | None:
        logs = ["\n".join(stage.airflow.api.log(sweep.dag_id, sweep.run_id, "train", 1, index)) for index in range(4)]
        return True if all("was canceled" in log for log in logs) else None

    eventually(all_logged, sweep.describe)
