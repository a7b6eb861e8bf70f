"""Deferred trainings that are ended together: none runs on. ``python -m tests.chaos.airflow.ended`` does more of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.stage import Stage
from tests.system.sweep import WAYS, Sweep


@pytest.mark.parametrize(("way", "size"), [("marked failed", 1), ("marked failed", 16), *((way, 4) for way in WAYS)])
@pytest.mark.timeout(900)
def test_trainings_that_are_ended_at_once_are_all_canceled(stage: Stage, tmp_path: Path, way: str, size: int) -> None:
    kind, end = WAYS[way]
    sweep = Sweep.begin(stage, size, tmp_path, kind)
    lost = end(sweep)
    assert not lost, f"{len(lost)} of {size} run on: {sweep.told()}"
