"""Notes, tags and resource use, as the pages request them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.usage_history import UsageHistory, UsageSeries
from tests.unit.plugin.page_requests import POLL, QUERY, Pages, allow_edit, store_summary

BODY = {"run_id": "r1", "task_id": "train", "map_index": -1, "training_id": "training-1"}


def annotate(pages: Pages, **options: Any):
    body = {**BODY, "note": "n", "tags": ["t"], **options.pop("body", {})}
    return pages.http.put("/api/annotations", params={"dag_id": "nightly"}, **{"json": body, **options})


@pytest.fixture
def editor(pages: Pages) -> Pages:
    allow_edit(pages, allowed=True)
    return pages


def test_annotations_are_sent_to_the_service(editor: Pages) -> None:
    reply = annotate(editor)
    assert (reply.status_code, reply.content) == (204, b"")
    assert editor.service.annotated == Annotations(note="n", tags=("t",))
    assert editor.service.sent[-1] == "PUT /v3/models/training-1/annotations"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"body": {"tags": ["a,b"]}}, 422),
        ({"body": {"note": "x" * 4001}}, 422),
        ({"body": {"training_id": "training-2"}}, 404),
        ({"body": {"run_id": "r2"}}, 404),
        ({"json": None, "content": '{"note": "x"}', "headers": {"Content-Type": "text/plain"}}, 415),
    ],
)
def test_refused_annotations_change_nothing(editor: Pages, options: dict[str, Any], status: int) -> None:
    reply = annotate(editor, **options)
    assert reply.status_code == status
    assert isinstance(reply.json()["detail"], str)
    assert editor.service.annotated is None


def test_annotations_need_the_permission_to_edit(pages: Pages) -> None:
    allow_edit(pages, allowed=False)
    assert annotate(pages).status_code == 403
    assert pages.service.sent == []


def test_service_without_annotations_is_named(editor: Pages) -> None:
    editor.service.annotations = False
    reply = annotate(editor)
    assert (reply.status_code, reply.json()) == (
        409,
        {"detail": "The service of this training keeps no notes and no tags"},
    )


@pytest.mark.parametrize("supported", [True, False])
def test_task_states_whether_the_service_keeps_annotations(pages: Pages, supported: bool) -> None:
    pages.service.annotations = supported
    assert pages.http.get("/api/task", params=QUERY).json()["annotations"] is supported
    store_summary(pages)
    pages.service.is_down = True
    assert pages.http.get("/api/task", params=QUERY).json()["annotations"] is False


def test_usage_is_a_list_of_series(pages: Pages) -> None:
    points = ((1.0, 5.0), (2.0, float("inf")), (3.0, 6.0))
    series = UsageSeries(resource="gpu", unit="percent", device="0", limit=100.0, points=points)
    pages.service.usage = UsageHistory(series=(series,), complete=True)
    assert pages.http.get("/api/usage", params=POLL).json() == {
        "series": [
            {"resource": "gpu", "unit": "percent", "device": "0", "limit": 100.0, "points": [[1.0, 5.0], [3.0, 6.0]]}
        ],
        "complete": True,
    }


def test_service_without_a_history_of_usage_has_no_series(pages: Pages) -> None:
    assert pages.http.get("/api/usage", params=POLL).json() == {"series": [], "complete": True}


def test_usage_of_a_service_that_does_not_answer_is_a_502(pages: Pages) -> None:
    store_summary(pages)
    pages.service.is_down = True
    assert pages.http.get("/api/usage", params=POLL).status_code == 502
