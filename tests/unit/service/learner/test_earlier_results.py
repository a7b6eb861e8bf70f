from __future__ import annotations

import pytest

from airflow_dlaas.service.learner.earlier_results import earlier_results

STORED = [
    "training-1/.dlaas-checkpoints/1/content/x-1",
    "training-1/.dlaas-checkpoints/1/manifest-00000001.json",
    "training-1/.dlaas-training",
    "training-1/attempt-2/.dlaas-training",
    "training-1/attempt-2/model/w",
    "training-1/attempt-3/model/w",
    "training-1/attempt-10/model/w",
    "training-1/attempt-x/made by the command",
    "training-1/checkpoints/last",
    "training-1/learner-1/training-log.txt",
    "training-1/model/w",
    "training-10/model/w",
]


@pytest.mark.parametrize(
    ("attempt", "deleted"),
    [
        (2, ["training-1/attempt-x/made by the command", *STORED[8:11]]),
        (3, [*STORED[3:5], "training-1/attempt-x/made by the command", *STORED[8:11]]),
        (10, [*STORED[3:6], "training-1/attempt-x/made by the command", *STORED[8:11]]),
    ],
)
def test_results_of_earlier_attempts_are_those_of_no_checkpoint_and_of_no_later_attempt(
    attempt: int, deleted: list[str]
) -> None:
    assert list(earlier_results(STORED, "training-1", attempt)) == deleted


def test_objects_of_checkpoints_stay() -> None:
    found = list(earlier_results(STORED, "training-1", 2, needed={"training-1/checkpoints/last"}))
    assert "training-1/checkpoints/last" not in found
    assert "training-1/model/w" in found
