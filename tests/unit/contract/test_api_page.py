"""docs/api.md lists the additions of the service to the API of 2017."""

from __future__ import annotations

import re
from pathlib import Path

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.instance import Extensions
from airflow_dlaas.contract.log_stream import FrameStatus
from airflow_dlaas.contract.training import UNREADABLE_RECORD, TrainingStatus

PAGE = Path(__file__).parents[3] / "docs" / "api.md"

OF_2017 = {
    *("state", "submitted_at", "running_at", "finished_at", "current_at", "message", "metrics", "error"),
    *("model_definition", "training_data", "training_results"),
}
"""Keys of a training's status, of a frame of its log stream and of a definition that the API had in 2017."""


def test_page_lists_every_added_key() -> None:
    listed = set(re.findall(r"`(?:status\.)?(\w+)`", PAGE.read_text()))
    ours = {
        *Extensions.model_fields,
        *TrainingStatus.model_fields,
        *FrameStatus.model_fields,
        *TrainingDefinition.model_fields,
    }
    assert ours - OF_2017 - listed == set()
    assert UNREADABLE_RECORD in listed


def test_page_lists_exactly_the_advertised_extensions() -> None:
    _, _, section = PAGE.read_text().partition("## How a client finds the extensions")
    rows = re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert rows == list(Extensions.model_fields)
