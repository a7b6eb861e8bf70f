"""Which trainings `runs` lists, over pages."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from airflow_dlaas.cli.output import Cell
from airflow_dlaas.cli.runs import TrainingFilter, find_trainings, training_table
from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training, TrainingList
from tests.unit.cli.trainings import make_training, training_document


class Pages:
    """A client whose list of trainings has several pages."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages = pages
        self.requested: list[str] = []

    def path_from_url(self, url: str) -> str:
        return url

    def send(self, call: Any) -> TrainingList:
        self.requested.append(call.path)
        import json

        number = int(call.path.partition("page=")[2] or 0)
        return parse_response(TrainingList)(json.dumps(self.pages[number]).encode())


def page(*ids: str, next_page: int | None = None, **status: Any) -> dict[str, Any]:
    listed: dict[str, Any] = {"resources": [training_document(one, **status) for one in ids]}
    return listed if next_page is None else {**listed, "next": {"url": f"/v3/models?page={next_page}"}}


def ids(found: Any) -> list[str]:
    return [one.id for one in found]


def test_pages_are_requested_only_as_far_as_needed() -> None:
    client: Any = Pages(page("a", "b", next_page=1), page("c", "d", next_page=2), page("e"))
    assert ids(islice(find_trainings(client, TrainingFilter(), 2), 3)) == ["a", "b", "c"]
    assert client.requested == ["/v3/models?limit=2", "/v3/models?page=1"]


def test_filter_selects_over_all_pages() -> None:
    client: Any = Pages(page("a", next_page=1), page("b", next_page=2, state="error"), page("c"))
    assert ids(find_trainings(client, TrainingFilter(states=(TrainingState.ERROR,)))) == ["b"]


def test_list_that_leads_back_to_a_page_ends() -> None:
    client: Any = Pages(page("a", next_page=1), page("b", next_page=1))
    assert ids(find_trainings(client, TrainingFilter())) == ["a", "b"]


def test_unreadable_training_is_listed_by_its_id_unless_there_is_a_filter() -> None:
    broken = {"metadata": {"guid": "broken"}, "entity": {"status": {"state": "paused"}}}
    client: Any = Pages({"resources": [broken, training_document("a")]})
    assert ids(find_trainings(client, TrainingFilter())) == ["broken", "a"]
    assert ids(find_trainings(client, TrainingFilter(name="test"))) == ["a"]


@pytest.mark.parametrize(
    ("selected", "matches"),
    [
        (TrainingFilter(), True),
        (TrainingFilter(name="mnist"), True),
        (TrainingFilter(name="NIST-b"), True),
        (TrainingFilter(name="cifar"), False),
        (TrainingFilter(name="mnist*"), False),  # a pattern is for the whole name
        (TrainingFilter(name="*mnist-?ig"), True),
        (TrainingFilter(states=(TrainingState.ERROR, TrainingState.COMPLETED)), True),
        (TrainingFilter(states=(TrainingState.RUNNING,)), False),
        (TrainingFilter(tags=("good",)), True),
        (TrainingFilter(tags=("good", "Baseline")), True),
        (TrainingFilter(tags=("good", "other")), False),
        (TrainingFilter(name="mnist", tags=("other",)), False),
    ],
)
def test_filter_matches_state_name_and_tags(selected: TrainingFilter, matches: bool) -> None:
    training: Training = make_training(name="TF-Mnist-big", state="completed", tags=["good", "Baseline"])
    assert selected.matches(training) is matches


def test_table_has_attempts_and_checkpoints_where_there_are_any() -> None:
    plain = make_training()
    assert [one.title for one in training_table([plain])[0]] == ["ID", "NAME", "STATE", "SUBMITTED", "TOOK", "SIZE"]
    checkpoint = {
        "attempt": 1,
        "number": 7,
        "stored_at": "2026-12-01T01:00:00.000Z",
        "files": 2,
        "bytes": 64 * 2**20,
    }
    recovering = make_training(state="running", phase="recovering", attempt=2, checkpoint=checkpoint)
    columns, rows = training_table([plain, recovering])
    assert [one.title for one in columns][6:] == ["ATTEMPT", "CHECKPOINT"]
    assert rows[0][6:] == ["", ""]
    assert rows[1][2] == Cell("running, recovering", "cyan")
    assert rows[1][6:] == ["2", "64.0 MiB, 1 h 0 min ago"]
    completed = make_training(state="completed", attempt=1, checkpoint=checkpoint)
    assert len(training_table([completed])[0]) == 6, "a completed training is not resumed"
